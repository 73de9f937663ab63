//! STREAM sockets, against streams of the standard library.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use support::*;
use zmq::security::{Authenticator, Null, Plain};
use zmq::{Error, Event, Frame, Message, RoutingId, SocketType};

fn builder() -> zmq::Builder<zmq::kind::Stream> {
    zmq::Stream::builder_in(&context())
        .recv_timeout(LONG)
        .send_timeout(LONG)
        .reconnect_interval(ms(5))
        .linger(Duration::ZERO)
}

/// A bound socket, and the address of it.
fn bound() -> (zmq::Stream, String) {
    let mut stream = builder().build().unwrap();
    let address = stream.bind_to("tcp://127.0.0.1:*").unwrap().address().to_owned();
    (stream, address)
}

fn dial(address: &str) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    client
}

fn recv(stream: &mut zmq::Stream) -> (RoutingId, Vec<u8>) {
    let (from, message) = stream.recv_from().unwrap();
    assert_eq!(message.len(), 1);
    (from, message.body().to_vec())
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(LONG)).unwrap();
    server
}

/// Receives the empty frame of a peer that comes or goes.
fn notice(stream: &mut zmq::Stream) -> RoutingId {
    let (from, bytes) = recv(stream);
    assert_eq!(bytes, b"");
    from
}

/// Receives so many bytes of one peer, however they are cut.
fn recv_bytes(stream: &mut zmq::Stream, peer: &RoutingId, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let (from, more) = recv(stream);
        assert_eq!(from, *peer);
        assert!((1..=8192).contains(&more.len()), "{}", more.len());
        bytes.extend(more);
    }
    bytes
}

fn read(client: &mut impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

fn is_at_end(client: &mut impl Read) -> bool {
    client.read(&mut [0]).unwrap() == 0
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number % 251) as u8).collect()
}

#[test]
fn a_bound_socket_serves_whoever_dials() {
    let (mut stream, address) = bound();
    let mut clients: Vec<_> = (0..3)
        .map(|number| {
            let mut client = dial(&address);
            let name = notice(&mut stream);
            assert_eq!((name.len(), name[0]), (5, 0));
            // Nothing is said that the client did not ask for.
            client.write_all(&[number]).unwrap();
            assert_eq!(recv(&mut stream), (name.clone(), vec![number]));
            (client, name)
        })
        .collect();
    for (client, name) in &mut clients {
        stream.send_to(name.clone(), "answer").unwrap();
        assert_eq!(read(client, 6), b"answer");
    }
    let (mut left, name) = clients.remove(1);
    left.write_all(b"bye").unwrap();
    drop(left);
    assert_eq!(recv(&mut stream), (name.clone(), b"bye".to_vec()));
    assert_eq!(notice(&mut stream), name);
    let failed = stream.send_to(name, "late").unwrap_err();
    assert!(
        matches!(failed.error, Error::Unroutable { .. }) && failed.message == "late".into(),
        "{failed:?}"
    );
    assert_eq!(stream.peers().unwrap().len(), 2);
}

#[test]
fn a_connecting_socket_learns_its_peer_and_speaks_first() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = builder().connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let mut server = accept(&listener);
    let peer = notice(&mut stream);
    assert_eq!(stream.last_peer().unwrap().unwrap().address, listener.local_addr().unwrap().to_string());
    stream.send_to(peer.clone(), "GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(read(&mut server, 18), b"GET / HTTP/1.0\r\n\r\n");
    server.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
    drop(server);
    assert_eq!(recv_bytes(&mut stream, &peer, 19), b"HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(notice(&mut stream), peer);

    // The connection is made again, and is another peer.
    let mut server = accept(&listener);
    let again = notice(&mut stream);
    assert_ne!(again, peer);
    stream.send_to(again, "again").unwrap();
    assert_eq!(read(&mut server, 5), b"again");
}

#[test]
fn a_routing_id_that_was_given_can_be_used_before_anybody_is_there_and_stays() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let mut stream = builder().build().unwrap();
    stream.connect_as(&endpoint, b"server").unwrap();
    stream.send_to("server", "early").unwrap();
    for _ in 0..2 {
        let mut server = accept(&listener);
        assert_eq!(notice(&mut stream), b"server"[..]);
        stream.send_to("server", "now").unwrap();
        let expected: &[u8] = if stream.stats().connections == 1 { b"earlynow" } else { b"now" };
        assert_eq!(read(&mut server, expected.len()), expected);
        drop(server);
        assert_eq!(notice(&mut stream), b"server"[..]);
    }
    let mut by_option = builder().connect_routing_id(&b"named"[..]).connect(&endpoint).unwrap();
    assert_eq!(notice(&mut by_option), b"named"[..]);
}

#[test]
fn an_empty_frame_closes_the_connection_once_everything_is_out() {
    for close in [
        |stream: &mut zmq::Stream, peer: RoutingId| stream.close_peer(peer).unwrap(),
        |stream: &mut zmq::Stream, peer: RoutingId| stream.send(Message::from([peer, Frame::new()])).unwrap(),
    ] {
        let (mut stream, address) = bound();
        let (mut one, first) = (dial(&address), notice(&mut stream));
        let (mut other, second) = (dial(&address), notice(&mut stream));
        one.write_all(b"unread").unwrap();
        stream.send_to(first.clone(), pattern(1_000_000)).unwrap();
        close(&mut stream, first.clone());
        assert_eq!(read(&mut one, 1_000_000), pattern(1_000_000));
        assert!(is_at_end(&mut one));
        assert!(matches!(stream.close_peer(first).unwrap_err(), Error::Unroutable { .. }));
        // The other is served; nothing more is heard of the one.
        other.write_all(b"here").unwrap();
        assert_eq!(recv_bytes(&mut stream, &second, 4), b"here");
        stream.send_to(second, "there").unwrap();
        assert_eq!(read(&mut other, 5), b"there");
    }
}

#[test]
fn a_connection_that_was_closed_by_us_is_not_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = builder().connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let mut server = accept(&listener);
    let peer = notice(&mut stream);
    stream.close_peer(peer).unwrap();
    assert!(is_at_end(&mut server));
    drop(server);
    listener.set_nonblocking(true).unwrap();
    assert!(matches!(stream.recv_timeout(ms(100)), Err(Error::Timeout { .. })));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn closing_a_peer_that_is_not_there_yet_ends_the_attempts() {
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut stream = builder().build().unwrap();
    let mut monitor = stream.monitor().unwrap();
    stream.connect_as(format!("tcp://{endpoint}"), b"server").unwrap();
    stream.close_peer("server").unwrap();
    await_event(&mut monitor, "the end of the attempts", |event| {
        matches!(event, Event::ConnectGivenUp { .. })
    });
    assert!(matches!(stream.send_to("server", "x").unwrap_err().error, Error::Unroutable { .. }));
}

#[test]
fn without_notices_only_bytes_are_received() {
    let mut stream = builder().stream_notify(false).build().unwrap();
    let address = stream.bind_to("tcp://127.0.0.1:*").unwrap().address().to_owned();
    drop(dial(&address));
    let mut client = dial(&address);
    client.write_all(b"x").unwrap();
    assert_eq!(recv(&mut stream).1, b"x");
    drop(client);
    dial(&address).write_all(b"y").unwrap();
    assert_eq!(recv(&mut stream).1, b"y");
}

#[test]
fn many_bytes_go_both_ways_in_order() {
    const COUNT: usize = 5_000_000;
    let (mut stream, address) = bound();
    let mut client = dial(&address);
    let peer = notice(&mut stream);
    let mut reader = client.try_clone().unwrap();
    let echo = std::thread::spawn(move || read(&mut reader, COUNT));
    let writer = std::thread::spawn(move || {
        client.write_all(&pattern(COUNT)).unwrap();
        client
    });
    let mut count = 0;
    while count < COUNT {
        let (from, message) = stream.recv_from().unwrap();
        count += message.size();
        stream.send_to(from, message).unwrap();
    }
    assert_eq!(echo.join().unwrap(), pattern(COUNT));
    drop(writer.join().unwrap());
    assert_eq!(notice(&mut stream), peer);
}

#[test]
fn who_does_not_read_fills_only_its_own_pipe() {
    let mut stream = builder().send_hwm(2usize).send_buffer(4096usize).build().unwrap();
    let address = stream.bind_to("tcp://127.0.0.1:*").unwrap().address().to_owned();
    let (mut idle, first) = (dial(&address), notice(&mut stream));
    let (mut other, second) = (dial(&address), notice(&mut stream));
    let message = |to: &RoutingId| Message::from([to.clone(), pattern(1_000_000).into()]);
    let sent = (0..1000).take_while(|_| stream.try_send(message(&first)).is_ok()).count();
    let failed = stream.send_timeout(message(&first), ms(30)).unwrap_err();
    assert!(matches!(failed.error, Error::Timeout { .. }) && failed.message == message(&first), "{failed}");
    stream.send_to(second, "served").unwrap();
    assert_eq!(read(&mut other, 6), b"served");
    for _ in 0..sent {
        assert_eq!(read(&mut idle, 1_000_000), pattern(1_000_000));
    }
}

#[test]
fn who_sends_too_much_is_held_up_and_nothing_is_lost() {
    const COUNT: usize = 3_000_000;
    let mut stream = builder().recv_hwm(2usize).recv_buffer(4096usize).build().unwrap();
    let address = stream.bind_to("tcp://127.0.0.1:*").unwrap().address().to_owned();
    let mut client = dial(&address);
    let writer = std::thread::spawn(move || {
        client.write_all(&pattern(COUNT)).unwrap();
        client
    });
    let peer = notice(&mut stream);
    assert_eq!(recv_bytes(&mut stream, &peer, COUNT), pattern(COUNT));
    drop(writer.join().unwrap());
    assert_eq!(notice(&mut stream), peer);
}

#[test]
fn over_ipc_too() {
    let mut stream = builder().build().unwrap();
    let bound = stream.bind_to("ipc://*").unwrap();
    let mut client = UnixStream::connect(bound.address()).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    let peer = notice(&mut stream);
    stream.send_to(peer.clone(), "hello").unwrap();
    assert_eq!(read(&mut client, 5), b"hello");
    client.write_all(b"back").unwrap();
    assert_eq!(recv_bytes(&mut stream, &peer, 4), b"back");
}

#[test]
fn a_socket_of_zeromq_is_only_bytes_to_it() {
    let (mut stream, address) = bound();
    let mut push = zmq::Push::builder_in(&context()).linger(Duration::ZERO).build().unwrap();
    push.connect_to(format!("tcp://{address}")).unwrap();
    let peer = notice(&mut stream);
    let signature = recv_bytes(&mut stream, &peer, 10);
    assert_eq!((signature[0], signature[9]), (0xFF, 0x7F));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let (mut stream, address) = bound();
    for endpoint in ["inproc://x", "inproc://*"] {
        for error in [stream.bind_to(endpoint).unwrap_err(), stream.connect_to(endpoint).unwrap_err()] {
            assert!(error.to_string().contains("tcp:// or ipc://"), "{error}");
        }
    }
    let _client = dial(&address);
    let peer = notice(&mut stream);
    for frames in [vec![peer.clone()], vec![peer.clone(), "a".into(), "b".into()], vec![]] {
        let failed = stream.send(Message::from(frames.clone())).unwrap_err();
        assert!(matches!(failed.error, Error::InvalidMessage { .. }), "{failed}");
        assert_eq!(failed.message, Message::from(frames));
    }
    assert!(matches!(stream.send_to("nobody", "x").unwrap_err().error, Error::Unroutable { .. }));
    // Nobody is let in without the judgement that was asked for.
    for builder in [
        builder().security(Plain::client("user", "secret").unwrap()),
        builder().security(Null).authenticator(Authenticator::anyone()),
    ] {
        let error = builder.build().err().unwrap();
        assert!(matches!(error, Error::InvalidOption { option: "security", .. }), "{error}");
    }
    assert_eq!("stream".parse(), Ok(SocketType::Stream));
}
