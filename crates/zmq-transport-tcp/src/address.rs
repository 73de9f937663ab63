//! The text forms of an address: syntax only, no look-ups.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One end of a connection as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: Host,
    /// 0 = the system chooses.
    pub(crate) port: u16,
}

/// The host of a [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// `*`
    Any,
    V4(Ipv4Addr),
    V6(Ipv6Addr, Zone),
    /// A DNS name or the name of a network interface.
    Name(String),
}

/// What follows `%` in an IPv6 address: which link a link-local address belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    None,
    Index(u32),
    Interface(String),
}

/// What to connect to, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) source: Option<Place>,
    pub(crate) destination: Place,
}

impl Host {
    pub(crate) fn is_name(&self) -> bool {
        matches!(self, Host::Name(_))
    }
}

/// Parses the address of a bind; the error says what is wrong with it.
pub(crate) fn parse_bind(text: &str, ipv6: bool) -> Result<Place, String> {
    if text.contains(';') {
        return Err("`source;destination` is for connect; a bind has one address".to_owned());
    }
    parse_place(text, ipv6)
}

/// Parses the address of a connect; the error says what is wrong with it.
pub(crate) fn parse_connect(text: &str, ipv6: bool) -> Result<Target, String> {
    let Some((source, destination)) = text.split_once(';') else {
        return Ok(Target { source: None, destination: parse_destination(text, ipv6)? });
    };
    let source = parse_place(source, ipv6).map_err(|reason| format!("source {source:?}: {reason}"))?;
    let destination = parse_destination(destination, ipv6)
        .map_err(|reason| format!("destination {destination:?}: {reason}"))?;
    if matches!((&source.host, &destination.host), (Host::V4(_), Host::V6(..)) | (Host::V6(..), Host::V4(_)))
    {
        return Err("source and destination must both be IPv4 or both IPv6".to_owned());
    }
    Ok(Target { source: Some(source), destination })
}

fn parse_destination(text: &str, ipv6: bool) -> Result<Place, String> {
    let place = parse_place(text, ipv6)?;
    if place.host == Host::Any {
        return Err("the host `*` is for bind; connect needs an address or a name".to_owned());
    }
    if place.port == 0 {
        return Err("the ports `*` and 0 are for bind; connect needs the peer's port".to_owned());
    }
    Ok(place)
}

fn parse_place(text: &str, ipv6: bool) -> Result<Place, String> {
    let (host, port) = split_port(text)?;
    let host = parse_host(host)?;
    if matches!(host, Host::V6(..)) && !ipv6 {
        return Err("IPv6 addresses need the option `ipv6`; enable it on the socket".to_owned());
    }
    Ok(Place { host, port: parse_port(port)? })
}

/// Splits at the colon before the port; the colons of an IPv6 address stand in brackets.
fn split_port(text: &str) -> Result<(&str, &str), String> {
    if text.is_empty() {
        return Err("the address is empty; write host:port".to_owned());
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err("an IPv6 address stands in brackets and needs a port: [::1]:5555".to_owned());
    }
    if text.starts_with('[') {
        let end = text.find(']').ok_or("the bracket `[` is not closed; write [::1]:5555")?;
        let (host, rest) = text.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if rest.is_empty() => Err(missing_port(text)),
            None => Err(format!("{rest:?} follows the bracket `]`; a colon and the port should")),
        };
    }
    text.rsplit_once(':').ok_or_else(|| missing_port(text))
}

fn missing_port(text: &str) -> String {
    format!("the port is missing; write {text}:5555, or {text}:* to bind to a free one")
}

fn parse_port(text: &str) -> Result<u16, String> {
    match text {
        "" => Err("the port after the colon is missing".to_owned()),
        "*" => Ok(0),
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("the port {text:?} is not a number; it is 1 to 65535, or `*` to bind to a free one"))
        }
        _ => text.parse().map_err(|_| format!("the port {text} is out of range; it is at most 65535")),
    }
}

fn parse_host(text: &str) -> Result<Host, String> {
    match text {
        "" => Err("the host is empty; write an address, a name, or `*` to bind to all interfaces".to_owned()),
        "*" => Ok(Host::Any),
        _ if text.starts_with('[') => parse_bracketed(text),
        _ if text.parse::<Ipv6Addr>().is_ok() => {
            Err(format!("an IPv6 address stands in brackets: write [{text}]:port"))
        }
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => parse_ipv4(text),
        _ => parse_name(text),
    }
}

fn parse_ipv4(text: &str) -> Result<Host, String> {
    text.parse()
        .map(Host::V4)
        .map_err(|_| format!("{text:?} is not an IPv4 address; it has four numbers of 0 to 255"))
}

fn parse_bracketed(text: &str) -> Result<Host, String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let (ip, zone) = match inner.split_once('%') {
        Some((ip, zone)) => (ip, parse_zone(zone)?),
        None => (inner, Zone::None),
    };
    match ip.parse() {
        Ok(IpAddr::V6(ip)) => Ok(Host::V6(ip, zone)),
        Ok(IpAddr::V4(_)) => Err(format!("{ip} is an IPv4 address; it stands without brackets")),
        Err(_) => Err(format!("{ip:?} in brackets is not an IPv6 address")),
    }
}

fn parse_zone(text: &str) -> Result<Zone, String> {
    if text.is_empty() {
        return Err("the zone after `%` is empty; write an interface: [fe80::1%eth0]:5555".to_owned());
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Zone::Interface(text.to_owned()));
    }
    text.parse().map(Zone::Index).map_err(|_| format!("the zone {text} is out of range"))
}

fn parse_name(text: &str) -> Result<Host, String> {
    // No name of a host or an interface has one of these; most often a URL was pasted.
    let foreign = |c: char| c.is_whitespace() || c.is_control() || "/\\?#@*%[];,".contains(c);
    if let Some(wrong) = text.chars().find(|&c| foreign(c)) {
        return Err(format!("the host {text:?} contains {wrong:?}; write host:port and nothing else"));
    }
    Ok(Host::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: Host, port: u16) -> Place {
        Place { host, port }
    }

    fn v4(text: &str) -> Host {
        Host::V4(text.parse().expect("IPv4"))
    }

    fn v6(text: &str, zone: Zone) -> Host {
        Host::V6(text.parse().expect("IPv6"), zone)
    }

    fn name(text: &str) -> Host {
        Host::Name(text.to_owned())
    }

    #[test]
    fn every_form_of_a_bind_address() {
        let eth0 = Zone::Interface("eth0".to_owned());
        for (text, host, port) in [
            ("127.0.0.1:5555", v4("127.0.0.1"), 5555),
            ("0.0.0.0:1", v4("0.0.0.0"), 1),
            ("127.0.0.1:65535", v4("127.0.0.1"), 65535),
            ("127.0.0.1:0", v4("127.0.0.1"), 0),
            ("127.0.0.1:*", v4("127.0.0.1"), 0),
            ("*:5555", Host::Any, 5555),
            ("*:*", Host::Any, 0),
            ("[::1]:5555", v6("::1", Zone::None), 5555),
            ("[::]:*", v6("::", Zone::None), 0),
            ("[::ffff:1.2.3.4]:9", v6("::ffff:1.2.3.4", Zone::None), 9),
            ("[fe80::1%eth0]:5555", v6("fe80::1", eth0), 5555),
            ("[fe80::1%2]:5555", v6("fe80::1", Zone::Index(2)), 5555),
            ("localhost:5555", name("localhost"), 5555),
            ("my-host.example.org:80", name("my-host.example.org"), 80),
            ("lo:5555", name("lo"), 5555),
            ("eth0.100:*", name("eth0.100"), 0),
            ("eth0:1:5555", name("eth0:1"), 5555),
        ] {
            assert_eq!(parse_bind(text, true), Ok(place(host, port)), "{text}");
        }
    }

    #[test]
    fn every_form_of_a_connect_address() {
        for (text, source, destination) in [
            ("10.0.0.1:5555", None, place(v4("10.0.0.1"), 5555)),
            ("0.0.0.0:5555", None, place(v4("0.0.0.0"), 5555)),
            ("[::1]:5555", None, place(v6("::1", Zone::None), 5555)),
            ("server.example:5555", None, place(name("server.example"), 5555)),
            ("10.0.0.2:0;10.0.0.1:5555", Some(place(v4("10.0.0.2"), 0)), place(v4("10.0.0.1"), 5555)),
            ("10.0.0.2:*;server:5555", Some(place(v4("10.0.0.2"), 0)), place(name("server"), 5555)),
            ("*:1234;10.0.0.1:5555", Some(place(Host::Any, 1234)), place(v4("10.0.0.1"), 5555)),
            ("eth0:0;10.0.0.1:5555", Some(place(name("eth0"), 0)), place(v4("10.0.0.1"), 5555)),
            ("[::2]:7;[::1]:5555", Some(place(v6("::2", Zone::None), 7)), place(v6("::1", Zone::None), 5555)),
        ] {
            assert_eq!(parse_connect(text, true), Ok(Target { source, destination }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("", "address is empty"),
            ("127.0.0.1", "port is missing; write 127.0.0.1:5555"),
            ("localhost", "port is missing"),
            ("localhost:", "port after the colon is missing"),
            ("[::1]", "port is missing"),
            ("[::1]:", "port after the colon is missing"),
            ("127.0.0.1:65536", "port 65536 is out of range"),
            ("127.0.0.1:99999999999999999999", "out of range"),
            ("127.0.0.1:http", "port \"http\" is not a number"),
            ("127.0.0.1:-1", "port \"-1\" is not a number"),
            ("127.0.0.1:+1", "port \"+1\" is not a number"),
            ("127.0.0.1: 1", "port \" 1\" is not a number"),
            ("127.0.0.1:80/path", "port \"80/path\" is not a number"),
            (":5555", "host is empty"),
            ("[]:5555", "\"\" in brackets is not an IPv6 address"),
            ("::1", "stands in brackets"),
            ("::1:5555", "stands in brackets"),
            ("fe80::a:b:5555", "stands in brackets"),
            ("[::1:5555", "bracket `[` is not closed"),
            ("::1]:5555", "contains ']'"),
            ("[::1]5555", "\"5555\" follows the bracket"),
            ("[::1]]:5555", "follows the bracket"),
            ("[127.0.0.1]:5555", "IPv4 address; it stands without brackets"),
            ("[localhost]:5555", "\"localhost\" in brackets is not an IPv6 address"),
            ("[fe80::1%]:5555", "zone after `%` is empty"),
            ("[fe80::1%99999999999]:5555", "zone 99999999999 is out of range"),
            ("256.0.0.1:5555", "not an IPv4 address"),
            ("127.1:5555", "not an IPv4 address"),
            ("127.0.0.1.1:5555", "not an IPv4 address"),
            ("my host:5555", "contains ' '"),
            ("user@host:5555", "contains '@'"),
            ("a/b:5555", "contains '/'"),
            ("**:5555", "contains '*'"),
            ("a\0b:5555", "contains '\\0'"),
        ] {
            for error in [parse_bind(text, true).err(), parse_connect(text, true).err()] {
                assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{text:?}: {error:?}");
            }
        }
    }

    #[test]
    fn what_only_the_other_side_may_say_is_refused() {
        let bind = parse_bind("1.2.3.4:0;1.2.3.5:1", true).expect_err("bind");
        assert!(bind.contains("is for connect"), "{bind}");
        for (text, part) in [
            ("*:5555", "host `*` is for bind"),
            ("127.0.0.1:0", "ports `*` and 0 are for bind"),
            ("127.0.0.1:*", "ports `*` and 0 are for bind"),
            ("localhost:0", "ports `*` and 0 are for bind"),
            ("1.2.3.4;1.2.3.5:1", "source \"1.2.3.4\": the port is missing"),
            (";1.2.3.5:1", "source \"\": the address is empty"),
            ("1.2.3.4:0;", "destination \"\": the address is empty"),
            ("1.2.3.4:0;1.2.3.5:0", "destination \"1.2.3.5:0\": the ports"),
            ("1.2.3.4:x;1.2.3.5:1", "source \"1.2.3.4:x\": the port \"x\""),
            ("1.2.3.4:0;[::1]:1", "both be IPv4 or both IPv6"),
            ("[::1]:0;1.2.3.4:1", "both be IPv4 or both IPv6"),
            ("1.1.1.1:0;1.1.1.1:0;1.1.1.1:1", "destination \"1.1.1.1:0;1.1.1.1:1\""),
        ] {
            let error = parse_connect(text, true).expect_err(text);
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn ipv6_addresses_need_the_option() {
        for text in ["[::1]:5555", "[fe80::1%eth0]:5555", "[::2]:0;[::1]:5555", "[::2]:0;host:5555"] {
            let error = parse_connect(text, false).expect_err(text);
            assert!(error.contains("option `ipv6`"), "{text:?}: {error}");
            assert!(parse_connect(text, true).is_ok());
        }
        assert!(parse_bind("[::]:1", false).expect_err("bind").contains("option `ipv6`"));
    }
}
