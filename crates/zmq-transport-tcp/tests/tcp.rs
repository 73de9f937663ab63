//! The transport through its trait, over real connections.

use std::io::ErrorKind;
use std::time::{Duration, Instant};
use zmq_core::Error;
use zmq_core::options::StreamOptions;
use zmq_core::testing::{Connected, conformance, connect, skipped};
use zmq_core::transport::{PolledTransport, Transport, TransportKind};
use zmq_transport_tcp::Tcp;

fn defaults() -> StreamOptions {
    StreamOptions::default()
}

fn options(change: impl FnOnce(&mut StreamOptions)) -> StreamOptions {
    let mut options = StreamOptions::default();
    change(&mut options);
    options
}

fn pair(address: &str, options: &StreamOptions) -> Connected<'static> {
    Connected::over(&Tcp, address, options)
}

fn ipv6() -> StreamOptions {
    options(|options| options.ipv6 = true)
}

fn has_ipv6() -> bool {
    let has = std::net::TcpListener::bind("[::1]:0").is_ok();
    if !has {
        skipped("this machine has no IPv6");
    }
    has
}

fn port_of(address: &str) -> &str {
    address.rsplit_once(':').expect("a port").1
}

fn listen_error(address: &str, options: &StreamOptions) -> Error {
    Tcp.listen(address, options).err().unwrap_or_else(|| panic!("{address} should be refused"))
}

#[test]
fn it_is_a_polled_transport_named_tcp() {
    assert_eq!(Tcp::new().scheme(), "tcp");
    assert!(matches!(Tcp.kind(), TransportKind::Polled(_)));
}

#[test]
fn it_conforms() {
    conformance(&Tcp, || "127.0.0.1:*".to_owned());
}

#[test]
fn every_form_of_a_bind_address_can_be_connected_to() {
    for (bind, host) in [
        ("127.0.0.1:0", "127.0.0.1"),
        ("127.0.0.1:*", "127.0.0.1"),
        ("localhost:*", "127.0.0.1"),
        ("*:*", "0.0.0.0"),
        ("*:0", "0.0.0.0"),
        ("0.0.0.0:0", "0.0.0.0"),
    ] {
        let mut pair = pair(bind, &defaults());
        let local = pair.listener.local_address();
        assert_eq!(local.rsplit_once(':').expect("a port").0, host, "{bind}");
        assert_ne!(port_of(&local), "0", "{bind}");
        pair.exchange(1000);
        #[cfg(target_os = "linux")]
        assert!(pair.ours.short_read_means_drained());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_interface_can_be_bound_to() {
    let mut pair = pair("lo:*", &defaults());
    assert!(pair.listener.local_address().starts_with("127.0.0.1:"));
    pair.exchange(1000);
}

#[test]
fn a_fixed_port_is_kept_and_free_again_right_after_closing() {
    let first = pair("127.0.0.1:*", &defaults());
    let address = first.listener.local_address();
    // Close the accepting side first: its end of the connection goes to TIME_WAIT on this very port.
    drop(first.theirs);
    drop(first.listener);
    drop(first.ours);
    for _ in 0..3 {
        let again = pair(&address, &defaults());
        assert_eq!(again.listener.local_address(), address);
    }
}

#[test]
fn ipv6_addresses_are_written_in_brackets() {
    if !has_ipv6() {
        return;
    }
    for bind in ["[::1]:*", "lo:*"] {
        if bind.starts_with("lo") && cfg!(not(target_os = "linux")) {
            continue;
        }
        let mut pair = pair(bind, &ipv6());
        assert!(pair.listener.local_address().starts_with("[::1]:"), "{}", pair.listener.local_address());
        assert!(pair.theirs.peer_address().starts_with("[::1]:"), "{}", pair.theirs.peer_address());
        pair.exchange(1000);
    }
}

#[test]
fn an_ipv6_wildcard_serves_both_families() {
    if !has_ipv6() {
        return;
    }
    for host in ["127.0.0.1", "[::1]", "localhost", "0.0.0.0", "[::]"] {
        let listener = Tcp.listen("*:*", &ipv6()).expect("wildcard");
        let local = listener.local_address();
        assert!(local.starts_with("[::]:"), "{local}");
        let mut pair =
            Connected::accepted_by(listener, &Tcp, &format!("{host}:{}", port_of(&local)), &ipv6());
        assert!(!pair.theirs.peer_address().contains("ffff"), "{}", pair.theirs.peer_address());
        pair.exchange(1000);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn link_local_addresses_go_with_their_zone() {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let Some(line) = table.lines().find(|line| line.starts_with("fe80")) else {
        skipped("no interface here has a link-local address");
        return;
    };
    let fields: Vec<&str> = line.split_whitespace().collect();
    let groups: Vec<&str> = (0..8).map(|at| &fields[0][at * 4..at * 4 + 4]).collect();
    let index = u32::from_str_radix(fields[1], 16).expect("index");
    for zone in [fields[5].to_owned(), index.to_string()] {
        let mut pair = pair(&format!("[{}%{zone}]:*", groups.join(":")), &ipv6());
        assert!(pair.listener.local_address().contains(&format!("%{index}]:")));
        pair.exchange(1000);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_source_address_is_where_the_connection_comes_from() {
    let listener = Tcp.listen("127.0.0.1:*", &defaults()).expect("listen");
    let address = format!("127.0.0.9:0;{}", listener.local_address());
    let mut pair = Connected::accepted_by(listener, &Tcp, &address, &defaults());
    assert!(pair.theirs.peer_address().starts_with("127.0.0.9:"), "{}", pair.theirs.peer_address());
    pair.exchange(1000);
}

#[test]
fn names_block_and_numbers_do_not() {
    for (address, blocks) in [
        ("localhost:1", true),
        ("127.0.0.1:0;localhost:1", true),
        ("127.0.0.1:1", false),
        ("[::1]:1", false),
        ("[fe80::1%lo]:1", false),
        ("127.0.0.1:0;127.0.0.1:1", false),
        ("nonsense", false),
    ] {
        assert_eq!(Tcp.resolve_blocks(address, &defaults()), blocks, "{address}");
    }
}

#[test]
fn an_address_in_use_is_reported_as_such() {
    let first = Tcp.listen("127.0.0.1:*", &defaults()).expect("listen");
    let address = first.local_address();
    assert_eq!(
        listen_error(&address, &defaults()),
        Error::AddressInUse { endpoint: format!("tcp://{address}") }
    );
    let wildcard = format!("*:{}", port_of(&address));
    assert_eq!(
        listen_error(&wildcard, &defaults()),
        Error::AddressInUse { endpoint: format!("tcp://{wildcard}") }
    );
}

#[test]
fn a_refused_bind_says_what_to_do() {
    for (address, part) in [
        ("192.0.2.200:0", "this machine has no such address"),
        ("no-such-host.invalid:0", "looking up \"no-such-host.invalid\""),
    ] {
        let error = listen_error(address, &defaults());
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("binding to tcp://{address}")) && text.contains(part), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_unknown_device_is_refused_at_bind() {
    let error = listen_error("127.0.0.1:*", &options(|o| o.device = Some("nosuchdev".to_owned())));
    assert!(error.to_string().contains("network device \"nosuchdev\""), "{error}");
}

#[test]
fn malformed_addresses_are_refused_by_bind_and_connect() {
    for (address, part) in
        [("127.0.0.1", "port is missing"), ("127.0.0.1:70000", "out of range"), ("[::1]:1", "ipv6")]
    {
        for error in [listen_error(address, &defaults()), Tcp.check(address, &defaults()).expect_err(address)]
        {
            assert!(matches!(error, Error::InvalidEndpoint { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(part) && text.contains(&format!("tcp://{address}")), "{text}");
        }
        assert_eq!(Tcp.resolve(address, &defaults()).expect_err(address).kind(), ErrorKind::InvalidInput);
        assert_eq!(Tcp.open(address, &defaults()).err().expect(address).kind(), ErrorKind::InvalidInput);
    }
    assert!(Tcp.check("*:5555", &defaults()).is_err() && Tcp.check("host:0", &defaults()).is_err());
    // Syntax only: nothing is looked up.
    assert_eq!(Tcp.check("no-such-host.invalid:1", &defaults()), Ok(()));
}

#[test]
fn options_out_of_range_are_refused_by_bind_and_connect() {
    let options = options(|options| options.keepalive_count = Some(0));
    for error in
        [listen_error("127.0.0.1:*", &options), Tcp.check("127.0.0.1:1", &options).expect_err("range")]
    {
        assert!(matches!(error, Error::InvalidOption { option: "keepalive_count", .. }), "{error:?}");
    }
}

#[test]
fn a_refused_connection_fails_its_attempt() {
    let closed = Tcp.listen("127.0.0.1:*", &defaults()).expect("listen").local_address();
    let error = connect(&Tcp, &closed, &defaults()).err().expect("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn names_with_only_ipv6_addresses_ask_for_the_option() {
    let Ok(mut found) = std::net::ToSocketAddrs::to_socket_addrs("ip6-localhost:1") else {
        skipped("no name here has only an IPv6 address");
        return;
    };
    if found.any(|address| address.is_ipv4()) {
        skipped("no name here has only an IPv6 address");
        return;
    }
    let error = Tcp.resolve("ip6-localhost:1", &defaults()).expect_err("IPv6 only").to_string();
    assert!(error.contains("enable the option `ipv6`"), "{error}");
    assert_eq!(Tcp.resolve("ip6-localhost:1", &ipv6()).expect("resolve"), ["[::1]:1"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_backlog_limits_waiting_connections() {
    let established = |backlog: u32| {
        let options = options(|options| options.backlog = backlog);
        let listener = Tcp.listen("127.0.0.1:*", &options).expect("listen");
        let address = listener.local_address();
        let mut streams: Vec<_> = (0..8).map(|_| Tcp.open(&address, &options).expect("open")).collect();
        let until = Instant::now() + Duration::from_millis(200);
        let mut count = 0;
        while count < streams.len() && Instant::now() < until {
            count =
                streams.iter_mut().map(|stream| usize::from(stream.established().expect("no error"))).sum();
            std::thread::sleep(Duration::from_millis(1));
        }
        count
    };
    assert!(established(1) < 8);
    assert_eq!(established(100), 8);
    assert_eq!(established(u32::MAX), 8);
}

#[test]
fn a_connection_that_died_in_the_queue_does_not_hold_up_the_next() {
    let mut listener = Tcp.listen("127.0.0.1:*", &defaults()).expect("listen");
    let address = listener.local_address();
    for _ in 0..20 {
        let dead = std::net::TcpStream::connect(&address).expect("connect");
        socket2::SockRef::from(&dead).set_linger(Some(Duration::ZERO)).expect("linger");
    }
    let _alive = std::net::TcpStream::connect(&address).expect("connect");
    let mut accepted = 0;
    loop {
        match listener.accept() {
            Ok(_) => accepted += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(accepted >= 1);
}
