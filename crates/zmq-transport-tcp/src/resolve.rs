//! From what was written to socket addresses: interfaces, zones and names are looked up here, anew on each call.

use crate::address::{Host, Place, Target, Zone};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

/// One way to a peer, in numbers. Its text is an address that `open` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) source: Option<SocketAddr>,
    pub(crate) destination: SocketAddr,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = self.source {
            write!(f, "{source};")?;
        }
        write!(f, "{}", self.destination)
    }
}

/// Every route to a target, best first.
pub(crate) fn routes(target: &Target, ipv6: bool) -> io::Result<Vec<Route>> {
    let destinations = match &target.destination.host {
        Host::Name(name) => named_addresses(name, target.destination.port, ipv6)?,
        _ => vec![literal_address(&target.destination)?],
    };
    let Some(source) = &target.source else {
        return Ok(destinations.into_iter().map(|destination| Route { source: None, destination }).collect());
    };
    let sources = source_addresses(source, ipv6)?;
    let from = |destination: SocketAddr| {
        let source = sources.iter().copied().find(|source| source.is_ipv4() == destination.is_ipv4());
        source.map(|source| Route { source: Some(source), destination })
    };
    let routes: Vec<Route> = destinations.into_iter().filter_map(from).collect();
    if routes.is_empty() {
        return Err(not_available("source and destination have no address family in common".to_owned()));
    }
    Ok(routes)
}

/// The route of a target that holds numbers only, as [`routes`] writes them.
pub(crate) fn literal_route(target: &Target) -> io::Result<Route> {
    let destination = literal_address(&target.destination)?;
    let source = target.source.as_ref().map(literal_address).transpose()?;
    Ok(Route { source, destination })
}

/// The addresses to try to bind to, best first: a later one is for systems that lack the earlier.
pub(crate) fn bind_addresses(place: &Place, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
    match &place.host {
        Host::Any => Ok(any_addresses(place.port, ipv6)),
        Host::Name(name) => match interface_addresses(name, place.port, ipv6)? {
            Some(addresses) => Ok(addresses),
            None => named_addresses(name, place.port, ipv6),
        },
        _ => Ok(vec![literal_address(place)?]),
    }
}

/// The addresses a connection may leave from. Names of hosts are not looked up here: which of their addresses is
/// meant would be a guess (libzmq refuses them too).
fn source_addresses(place: &Place, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
    match &place.host {
        Host::Any => Ok(any_addresses(place.port, ipv6)),
        Host::Name(name) => interface_addresses(name, place.port, ipv6)?.ok_or_else(|| {
            not_available(format!("the source {name:?} is no network interface; write one, or an address"))
        }),
        _ => Ok(vec![literal_address(place)?]),
    }
}

/// With IPv6 one dual-stack socket serves both; IPv4 alone stands in where the system has no IPv6.
fn any_addresses(port: u16, ipv6: bool) -> Vec<SocketAddr> {
    let v6 = ipv6.then_some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    v6.into_iter().chain([SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)]).collect()
}

fn literal_address(place: &Place) -> io::Result<SocketAddr> {
    match &place.host {
        Host::V4(ip) => Ok(SocketAddr::new(IpAddr::V4(*ip), place.port)),
        Host::V6(ip, zone) => Ok(SocketAddr::V6(SocketAddrV6::new(*ip, place.port, 0, zone_index(zone)?))),
        Host::Any | Host::Name(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the address must be resolved before it is opened",
        )),
    }
}

fn zone_index(zone: &Zone) -> io::Result<u32> {
    match zone {
        Zone::None => Ok(0),
        Zone::Index(index) => Ok(*index),
        Zone::Interface(name) => interface_index(name).map_err(|error| {
            io::Error::new(error.kind(), format!("zone {name:?} of the IPv6 address: {error}"))
        }),
    }
}

/// Asks the system's resolver; it orders the addresses (RFC 6724).
fn named_addresses(name: &str, port: u16, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
    let found = (name, port).to_socket_addrs().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("looking up {name:?}: {error}; check the name and the name service"),
        )
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.filter(|address| ipv6 || address.is_ipv4()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let hint = if ipv6 { "" } else { " of IPv4; if it has one of IPv6, enable the option `ipv6`" };
        return Err(not_available(format!("{name:?} has no address{hint}")));
    }
    Ok(addresses)
}

/// The addresses of a network interface, or `None` if there is no interface of this name.
#[cfg(unix)]
fn interface_addresses(name: &str, port: u16, ipv6: bool) -> io::Result<Option<Vec<SocketAddr>>> {
    let mut known = false;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()?.filter(|interface| interface.interface_name == name) {
        known = true;
        addresses.extend(interface.address.as_ref().and_then(socket_address));
    }
    addresses.retain(|address| ipv6 || address.is_ipv4());
    addresses.iter_mut().for_each(|address| address.set_port(port));
    addresses.sort_by_key(interface_rank);
    match (known, addresses.is_empty()) {
        (false, _) => Ok(None),
        (true, false) => Ok(Some(addresses)),
        (true, true) => {
            let family = if ipv6 { "" } else { " of IPv4" };
            Err(not_available(format!("the network interface {name:?} has no address{family}")))
        }
    }
}

/// Elsewhere interfaces have no short names.
#[cfg(not(unix))]
fn interface_addresses(_: &str, _: u16, _: bool) -> io::Result<Option<Vec<SocketAddr>>> {
    Ok(None)
}

/// IPv6 comes first when it is enabled, as in libzmq; link-local addresses last, for few peers can reach them.
#[cfg(unix)]
fn interface_rank(address: &SocketAddr) -> u8 {
    match address {
        SocketAddr::V6(address) if address.ip().is_unicast_link_local() => 2,
        SocketAddr::V4(_) => 1,
        SocketAddr::V6(_) => 0,
    }
}

#[cfg(unix)]
fn socket_address(storage: &nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

#[cfg(unix)]
fn interface_index(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

#[cfg(not(unix))]
fn interface_index(_: &str) -> io::Result<u32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "write the number of the interface"))
}

fn not_available(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::AddrNotAvailable, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{parse_bind, parse_connect};

    fn resolved(text: &str, ipv6: bool) -> Vec<String> {
        let target = parse_connect(text, ipv6).expect(text);
        routes(&target, ipv6).expect(text).iter().map(Route::to_string).collect()
    }

    fn bound(text: &str, ipv6: bool) -> io::Result<Vec<String>> {
        let place = parse_bind(text, ipv6).expect(text);
        Ok(bind_addresses(&place, ipv6)?.iter().map(SocketAddr::to_string).collect())
    }

    #[test]
    fn literals_resolve_to_themselves_and_can_be_opened() {
        for text in ["1.2.3.4:5", "[::1]:5", "[fe80::1%3]:5", "1.2.3.4:0;1.2.3.5:6", "[::2]:7;[::1]:5"] {
            assert_eq!(resolved(text, true), [text]);
            let route = literal_route(&parse_connect(text, true).expect(text)).expect(text);
            assert_eq!(route.to_string(), text);
        }
    }

    #[test]
    fn a_wildcard_source_takes_the_family_of_the_destination() {
        assert_eq!(resolved("*:1234;1.2.3.4:5", true), ["0.0.0.0:1234;1.2.3.4:5"]);
        assert_eq!(resolved("*:1234;[::1]:5", true), ["[::]:1234;[::1]:5"]);
        assert_eq!(resolved("*:*;1.2.3.4:5", false), ["0.0.0.0:0;1.2.3.4:5"]);
    }

    #[test]
    fn a_name_resolves_to_ipv4_alone_unless_ipv6_is_enabled() {
        assert_eq!(resolved("localhost:5", false), ["127.0.0.1:5"]);
        assert!(resolved("localhost:5", true).contains(&"127.0.0.1:5".to_owned()));
        assert_eq!(resolved("127.0.0.2:0;localhost:5", true), ["127.0.0.2:0;127.0.0.1:5"]);
    }

    #[test]
    fn an_unknown_name_is_named_in_the_error() {
        let target = parse_connect("no-such-host.invalid:5", false).expect("syntax");
        let error = routes(&target, false).expect_err("no such host").to_string();
        assert!(error.contains("looking up \"no-such-host.invalid\""), "{error}");
    }

    #[test]
    fn an_unresolved_address_cannot_be_opened() {
        let error = literal_route(&parse_connect("localhost:5", false).expect("syntax")).expect_err("a name");
        assert!(error.to_string().contains("resolved before"), "{error}");
    }

    #[test]
    fn wildcards_bind_dual_stack_where_ipv6_is_enabled() {
        assert_eq!(bound("*:5", false).expect("any"), ["0.0.0.0:5"]);
        assert_eq!(bound("*:5", true).expect("any"), ["[::]:5", "0.0.0.0:5"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_interface_stands_for_its_addresses() {
        assert_eq!(bound("lo:5", false).expect("lo"), ["127.0.0.1:5"]);
        let both = bound("lo:5", true).expect("lo");
        match both.iter().position(|address| address == "[::1]:5") {
            Some(position) => assert_eq!(position, 0, "{both:?}"),
            None => println!("skipped: lo has no IPv6 address here"),
        }
        assert_eq!(resolved("lo:0;1.2.3.4:5", false), ["127.0.0.1:0;1.2.3.4:5"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn zones_go_by_name_and_number() {
        assert_eq!(
            resolved("[fe80::1%lo]:5", true),
            [format!("[fe80::1%{}]:5", interface_index("lo").expect("lo"))]
        );
        let target = parse_connect("[fe80::1%nosuchif]:5", true).expect("syntax");
        let error = routes(&target, true).expect_err("no such interface").to_string();
        assert!(error.contains("zone \"nosuchif\""), "{error}");
    }

    #[test]
    fn a_source_must_be_an_interface_or_an_address() {
        let target = parse_connect("nosuchif:0;1.2.3.4:5", false).expect("syntax");
        let error = routes(&target, false).expect_err("no such interface").to_string();
        assert!(error.contains("\"nosuchif\" is no network interface"), "{error}");
    }
}
