//! Connecting by way of a SOCKS5 proxy, with one that serves, and with some that do not.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use support::*;
use zmq::options::SocksProxy;
use zmq::security::Plain;
use zmq::{Error, Event, Monitor};

/// A name that nobody but the proxy knows.
const NAME: &str = "service.invalid:7";

/// What the proxy was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    user: Option<(Vec<u8>, Vec<u8>)>,
    /// The kind of the address, the address and the port.
    destination: Vec<u8>,
}

/// A SOCKS5 server on a thread. Whatever it is asked for it connects to `target`, and writes what `reply` makes of
/// each reply of its own.
fn serve(
    target: SocketAddr,
    wants_password: bool,
    reply: fn(&mut TcpStream, &[u8]),
) -> (SocksProxy, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            client.set_nodelay(true).unwrap();
            let Some(asked) = negotiate(&mut client, wants_password, reply) else { continue };
            if tell.send(asked).is_err() {
                return;
            }
            let Ok(server) = TcpStream::connect(target) else {
                reply(&mut client, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
                continue;
            };
            server.set_nodelay(true).unwrap();
            reply(&mut client, &[5, 0, 0, 1, 127, 0, 0, 1, 0, 9]);
            relay(&client, &server);
            relay(&server, &client);
        }
    });
    (SocksProxy::new(address), told)
}

fn negotiate(
    client: &mut TcpStream,
    wants_password: bool,
    reply: fn(&mut TcpStream, &[u8]),
) -> Option<Asked> {
    let [version, count] = take::<2>(client)?;
    assert_eq!(version, 5);
    let methods = take_some(client, count.into())?;
    let mut user = None;
    if wants_password {
        assert!(methods.contains(&2), "{methods:?}");
        reply(client, &[5, 2]);
        let [version, length] = take::<2>(client)?;
        assert_eq!(version, 1);
        let name = take_some(client, length.into())?;
        let [length] = take::<1>(client)?;
        user = Some((name, take_some(client, length.into())?));
        reply(client, &[1, 0]);
    } else {
        assert!(methods.contains(&0), "{methods:?}");
        reply(client, &[5, 0]);
    }
    assert_eq!(take::<3>(client)?, [5, 1, 0]);
    let [kind] = take::<1>(client)?;
    let mut destination = vec![kind];
    let length = match kind {
        1 => 4,
        4 => 16,
        _ => {
            let [length] = take::<1>(client)?;
            destination.push(length);
            length.into()
        }
    };
    destination.extend(take_some(client, length + 2)?);
    Some(Asked { user, destination })
}

fn take<const N: usize>(client: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn take_some(client: &mut TcpStream, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn relay(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

fn at_once(client: &mut TcpStream, reply: &[u8]) {
    let _ = client.write_all(reply);
}

fn byte_by_byte(client: &mut TcpStream, reply: &[u8]) {
    for byte in reply {
        std::thread::sleep(ms(2));
        let _ = client.write_all(&[*byte]);
    }
}

fn with_a_name(client: &mut TcpStream, reply: &[u8]) {
    let reply = if reply.len() > 2 { b"\x05\x00\x00\x03\x04here\x00\x09".as_slice() } else { reply };
    let _ = client.write_all(reply);
}

fn with_ipv6(client: &mut TcpStream, reply: &[u8]) {
    let long = [&[5, 0, 0, 4], [7; 18].as_slice()].concat();
    let _ = client.write_all(if reply.len() > 2 { &long } else { reply });
}

/// A proxy that says `script` to whoever comes, and then nothing, or that it has closed.
fn say(script: Vec<u8>, closes: bool) -> SocksProxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let script = script.clone();
            std::thread::spawn(move || {
                let _ = client.write_all(&script);
                if closes {
                    let _ = client.shutdown(Shutdown::Write);
                }
                // Read to the end, so that no reset overtakes what was said.
                let _ = std::io::copy(&mut client, &mut std::io::sink());
            });
        }
    });
    SocksProxy::new(address)
}

fn bound_rep() -> (zmq::Rep, SocketAddr) {
    let mut rep = zmq::Rep::builder_in(&context()).recv_timeout(LONG).build().unwrap();
    let bound = rep.bind_to("tcp://127.0.0.1:*").unwrap();
    let address = bound.address().parse().unwrap();
    (rep, address)
}

fn request(proxy: SocksProxy, endpoint: &str, rep: &mut zmq::Rep) {
    let mut req =
        zmq::Req::builder_in(&context()).socks_proxy(proxy).recv_timeout(LONG).connect(endpoint).unwrap();
    req.send("through").unwrap();
    assert_eq!(rep.recv().unwrap(), "through".into());
    rep.send(vec![7; 100_000]).unwrap();
    assert_eq!(req.recv().unwrap().size(), 100_000);
    assert_eq!(req.last_peer().unwrap().unwrap().address, endpoint.trim_start_matches("tcp://"));
}

/// Connects through `proxy` and tells why that fails.
fn failure(proxy: SocksProxy) -> String {
    let mut push =
        zmq::Push::builder_in(&context()).socks_proxy(proxy).linger(Duration::ZERO).build().unwrap();
    let mut monitor = push.monitor().unwrap();
    push.connect_to(format!("tcp://{NAME}")).unwrap();
    retried(&mut monitor)
}

fn retried(monitor: &mut Monitor) -> String {
    match await_event(monitor, "a failed attempt", |event| matches!(event, Event::ConnectRetried { .. })) {
        Event::ConnectRetried { error, .. } => error,
        _ => unreachable!(),
    }
}

#[test]
fn every_kind_of_address_goes_to_the_proxy_as_it_was_written() {
    let (mut rep, address) = bound_rep();
    let mut v6 = vec![4];
    v6.extend([0; 15]);
    v6.extend([1, 0, 7]);
    for (endpoint, destination) in [
        (format!("tcp://{NAME}"), b"\x03\x0fservice.invalid\x00\x07".to_vec()),
        ("tcp://192.0.2.1:7".to_owned(), vec![1, 192, 0, 2, 1, 0, 7]),
        ("tcp://[::1]:7".to_owned(), v6),
    ] {
        for reply in [at_once, byte_by_byte, with_a_name, with_ipv6] {
            let (proxy, asked) = serve(address, false, reply);
            request(proxy, &endpoint, &mut rep);
            assert_eq!(asked.recv().unwrap(), Asked { user: None, destination: destination.clone() });
        }
    }
}

#[test]
fn a_proxy_with_a_name_is_looked_up_and_a_local_address_leads_to_it() {
    let (mut rep, address) = bound_rep();
    let (proxy, asked) = serve(address, false, at_once);
    let named = SocksProxy::new(proxy.address().replace("127.0.0.1", "localhost"));
    let mut req = zmq::Req::builder_in(&context())
        .socks_proxy(named)
        .recv_timeout(LONG)
        .connect(format!("tcp://127.0.0.1:0;{NAME}"))
        .unwrap();
    req.send("x").unwrap();
    assert_eq!(rep.recv().unwrap(), "x".into());
    assert_eq!(asked.recv().unwrap().destination, b"\x03\x0fservice.invalid\x00\x07");
}

#[test]
fn a_user_name_and_a_password_are_given_to_a_proxy_that_asks() {
    let (mut rep, address) = bound_rep();
    for reply in [at_once, byte_by_byte] {
        let (proxy, asked) = serve(address, true, reply);
        request(proxy.with_password("user", "secret"), &format!("tcp://{NAME}"), &mut rep);
        assert_eq!(asked.recv().unwrap().user, Some((b"user".to_vec(), b"secret".to_vec())));
    }
    let (proxy, asked) = serve(address, false, at_once);
    request(proxy.with_password("user", "secret"), &format!("tcp://{NAME}"), &mut rep);
    assert_eq!(asked.recv().unwrap().user, None);
}

#[test]
fn a_connection_through_the_proxy_is_made_again_when_it_is_lost() {
    let (rep, address) = bound_rep();
    let (proxy, asked) = serve(address, false, at_once);
    let mut req = zmq::Req::builder_in(&context())
        .socks_proxy(proxy)
        .recv_timeout(LONG)
        .connect(format!("tcp://{NAME}"))
        .unwrap();
    asked.recv().unwrap();
    rep.close(Some(Duration::ZERO));
    let mut rep = zmq::Rep::builder_in(&context()).recv_timeout(LONG).build().unwrap();
    let started = std::time::Instant::now();
    while let Err(error) = rep.bind_to(format!("tcp://{address}")) {
        assert!(matches!(error, Error::AddressInUse { .. }) && started.elapsed() < LONG, "{error}");
        std::thread::sleep(ms(10));
    }
    req.send("again").unwrap();
    assert_eq!(rep.recv().unwrap(), "again".into());
}

#[test]
fn a_proxy_that_ends_at_any_byte_is_asked_again() {
    let whole = [5, 2, 1, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 9];
    for count in 0..whole.len() {
        let proxy = say(whole[..count].to_vec(), true).with_password("user", "secret");
        let error = failure(proxy);
        assert!(error.contains("closed the connection before it had answered"), "{count}: {error}");
    }
}

#[test]
fn what_a_proxy_refuses_is_named() {
    for (script, part) in [
        (vec![5, 0xFF], "takes no user name"),
        (vec![5, 2, 1, 1], "refuses this user name"),
        (vec![5, 0, 5, 1], "it failed"),
        (vec![5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0], "rules"),
        (vec![5, 0, 5, 3], "reach the network"),
        (vec![5, 0, 5, 4], "reach the host"),
        (vec![5, 0, 5, 5], "nobody listens"),
        (vec![5, 0, 5, 6], "too long"),
        (vec![5, 0, 5, 7], "does not make connections"),
        (vec![5, 0, 5, 8], "kind of address"),
        (vec![5, 0, 5, 99], "unknown code 99"),
    ] {
        let error = failure(say(script.clone(), false).with_password("user", "secret"));
        assert!(error.contains("the SOCKS proxy 127.0.0.1:") && error.contains(part), "{script:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let error = failure(say(vec![5, 0xFF], false));
    assert!(error.contains("give SocksProxy a user name"), "{error}");
}

#[test]
fn a_proxy_that_talks_nonsense_is_found_out() {
    for script in [
        b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        vec![4, 0],
        vec![5, 1],
        vec![5, 7],
        vec![5, 2, 5, 0],
        vec![5, 0, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        vec![5, 0, 5, 0, 0, 2, 0, 0, 0, 0, 0, 0],
    ] {
        let error = failure(say(script.clone(), false).with_password("user", "secret"));
        assert!(error.contains("not SOCKS5"), "{script:?}: {error}");
    }
    // A password that was not offered cannot be asked for.
    assert!(failure(say(vec![5, 2], false)).contains("not SOCKS5"));
}

#[test]
fn a_mute_proxy_is_given_up() {
    for set in [
        |builder: zmq::Builder<zmq::kind::Push>| builder.handshake_timeout(ms(50)),
        |builder: zmq::Builder<zmq::kind::Push>| builder.connect_timeout(ms(50)).handshake_timeout(LONG),
    ] {
        let builder =
            zmq::Push::builder_in(&context()).socks_proxy(say(vec![5], false)).linger(Duration::ZERO);
        let mut push = set(builder).build().unwrap();
        let mut monitor = push.monitor().unwrap();
        push.connect_to(format!("tcp://{NAME}")).unwrap();
        assert!(retried(&mut monitor).contains("took too long"));
    }
}

#[test]
fn no_password_of_plain_is_shown_over_a_proxy() {
    let (_rep, address) = bound_rep();
    let (proxy, asked) = serve(address, false, at_once);
    let mut push = zmq::Push::builder_in(&context())
        .socks_proxy(proxy)
        .security(Plain::client("user", "secret").unwrap())
        .linger(Duration::ZERO)
        .build()
        .unwrap();
    let mut monitor = push.monitor().unwrap();
    push.connect_to("tcp://127.0.0.1:7").unwrap();
    asked.recv().unwrap();
    let reason = refusal(&mut monitor);
    assert!(reason.contains("over_networks"), "{reason}");
}

#[test]
fn what_no_proxy_can_be_is_refused_at_once() {
    let long = "x".repeat(256);
    for (proxy, part) in [
        (SocksProxy::new(""), "address is empty"),
        (SocksProxy::new("proxy.example"), "port is missing"),
        (SocksProxy::new("*:1080"), "for bind"),
        (SocksProxy::new("10.0.0.1:0;10.0.0.2:1080"), "one address"),
        (SocksProxy::new("[::1]:1080"), "option `ipv6`"),
        (SocksProxy::new("127.0.0.1:1080").with_password("", "x"), "1 to 255 bytes"),
        (SocksProxy::new("127.0.0.1:1080").with_password("x", long.clone()), "1 to 255 bytes"),
    ] {
        let shown = format!("{proxy:?}");
        let result = zmq::Push::builder_in(&context()).socks_proxy(proxy).connect("tcp://127.0.0.1:7");
        let error = result.err().unwrap();
        assert!(matches!(error, Error::InvalidOption { option: "socks_proxy", .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(!shown.contains(&long), "{shown}");
    }
    let proxy = SocksProxy::new("127.0.0.1:1080");
    let mut push = zmq::Push::builder_in(&context()).socks_proxy(proxy).build().unwrap();
    for (endpoint, part) in
        [("tcp://[fe80::1%2]:7".to_owned(), "zone"), (format!("tcp://{long}:7"), "at most 255 bytes")]
    {
        let error = push.connect_to(endpoint).unwrap_err();
        assert!(
            matches!(error, Error::InvalidEndpoint { .. }) && error.to_string().contains(part),
            "{error}"
        );
    }
}
