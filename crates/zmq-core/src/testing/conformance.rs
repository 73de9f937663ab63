//! What every polled transport must do.

use super::rig::{Pair, Rig, pattern};
use crate::error::Error;
use crate::transport::{PolledTransport, Stream};
use mio::Interest;
use std::io::{ErrorKind, IoSlice};

/// Connections of one test that has many.
const MANY: usize = 20;

/// Checks a transport against the contract in [`transport`](crate::transport).
///
/// `fresh_address` gives an address to listen on that nobody uses, another one each time or one with a wildcard. What
/// [`local_address`](crate::transport::Listener::local_address) makes of it must be an address to listen on again
/// when that listener is gone, so give whole addresses if wildcards stand for something that goes with it.
///
/// # Panics
/// If the transport breaks the contract, saying where.
pub fn conformance(transport: &dyn PolledTransport, fresh_address: impl Fn() -> String) {
    type Clause = fn(&mut Rig<'_>, &str);
    let clauses: [(&str, Clause); 15] = [
        ("an idle connection has nothing to read", idle_connections_would_block),
        ("bytes go both ways, whole and in order", bytes_go_both_ways),
        ("a full connection takes no more, until it is read from", full_connections_would_block),
        ("readiness is reported at each edge", edges_are_reported),
        ("who is deregistered is not reported", deregistering_ends_events),
        ("readiness from before registering is reported", early_readiness_is_reported),
        ("ending one side leaves the other open", each_side_ends_by_itself),
        ("what was written before the end arrives", nothing_is_cut_off),
        ("a peer that is gone ends in an error", peers_that_are_gone),
        ("several connections wait to be accepted and are kept apart", many_connections),
        ("an address is one listener's", address_in_use),
        ("a listener that is gone refuses, and leaves its address free", listeners_that_are_gone),
        ("connections outlive their listener", connections_outlive_listeners),
        ("ends may be driven by other threads", other_threads),
        ("a listener that is dropped turns away who waits", waiting_connections_are_turned_away),
    ];
    for (what, clause) in clauses {
        // Shown by the test harness if the clause fails.
        println!("conformance: {what}");
        clause(&mut Rig::new(transport), &fresh_address());
    }
}

fn would_block<T>(result: std::io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn idle_connections_would_block(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let local = listener.local_address();
    assert!(!local.is_empty() && local == listener.local_address(), "local_address() is constant");
    assert!(would_block(listener.accept()), "accept() of nobody says WouldBlock");
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    assert!(would_block(listener.accept()), "accept() of nobody else says WouldBlock");
    assert!(would_block(ours.read(&mut [0; 16])), "read() of nothing says WouldBlock");
    assert!(would_block(theirs.read(&mut [0; 16])), "read() of nothing says WouldBlock");
    assert!(matches!(ours.established(), Ok(true)), "a connection stays established");
    // For showing; they may be empty.
    let _ = (ours.peer_address(), theirs.peer_address(), ours.credentials(), theirs.credentials());
    let constant = ours.short_read_means_drained();
    assert_eq!(constant, ours.short_read_means_drained(), "short_read_means_drained() is constant");
    let constant = ours.head_start();
    assert!(constant > 0, "head_start() is something");
    assert_eq!(constant, ours.head_start(), "head_start() is constant");
}

fn bytes_go_both_ways(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    for length in [1, 2, 255, 256, 4096, 65_536, 1_000_003] {
        let bytes = pattern(length);
        rig.transfer(&mut *ours, &mut *theirs, &bytes);
        rig.transfer(&mut *theirs, &mut *ours, &bytes);
    }
}

fn full_connections_would_block(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    let mut written = rig.fill(&mut *ours).expect("it can be filled");
    // What was reported so far was before it was full.
    rig.forget_events();
    written += rig.fill(&mut *ours).expect("it can be filled");
    let (mut read, mut buffer) = (0, vec![0; 65536]);
    while read < written {
        read += rig.until("reading what was written", || theirs.read(&mut buffer)).expect("read");
    }
    assert_eq!(read, written, "more is read than was written");
    let more = [IoSlice::new(b"more")];
    let count = rig.until("writing when there is room again", || ours.write_vectored(&more)).expect("write");
    assert!((1..=4).contains(&count));
}

fn edges_are_reported(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    rig.deregister(&mut *theirs);
    let token = rig.register(&mut *theirs, Interest::READABLE);
    for round in 0..10_u8 {
        let mut buffer = [0; 16];
        while !would_block(theirs.read(&mut buffer)) {}
        rig.forget_events();
        let sent = rig.until("writing one byte", || ours.write_vectored(&[IoSlice::new(&[round])]));
        assert_eq!(sent.expect("write"), 1);
        rig.await_ready(token, "readable when bytes come", mio::event::Event::is_readable);
        let count = rig.until("reading what was reported", || theirs.read(&mut buffer)).expect("read");
        assert_eq!((count, buffer[0]), (1, round));
        // Asking for more than before reports what is so already.
        rig.reregister(&mut *theirs, token, Interest::READABLE | Interest::WRITABLE);
        rig.await_ready(token, "writable when that is asked for", mio::event::Event::is_writable);
        rig.reregister(&mut *theirs, token, Interest::READABLE);
    }
    ours.shutdown_write().expect("shutdown");
    rig.await_ready(token, "readable when the peer ends its side", |event| {
        event.is_readable() || event.is_read_closed()
    });
    assert_eq!(rig.until("reading the end", || theirs.read(&mut [0; 16])).expect("the end"), 0);
}

fn deregistering_ends_events(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    rig.deregister(&mut *theirs);
    let token = rig.register(&mut *theirs, Interest::READABLE);
    rig.deregister(&mut *theirs);
    rig.until("writing", || ours.write_vectored(&[IoSlice::new(b"x")])).expect("write");
    assert!(!rig.is_reported(token), "an event after deregister()");
    let mut buffer = [0; 16];
    let token = rig.register(&mut *theirs, Interest::READABLE);
    rig.await_ready(token, "readable when registered again", mio::event::Event::is_readable);
    assert_eq!(rig.until("reading", || theirs.read(&mut buffer)).expect("read"), 1);
}

fn early_readiness_is_reported(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    rig.deregister(&mut *listener);
    let mut ours = rig.connect(&listener.local_address()).expect("connect");
    rig.until("writing", || ours.write_vectored(&[IoSlice::new(b"early")])).expect("write");
    let token = rig.register(&mut *listener, Interest::READABLE);
    rig.await_ready(token, "a connection that came before", mio::event::Event::is_readable);
    let mut theirs = rig.accept(&mut *listener);
    rig.deregister(&mut *theirs);
    let token = rig.register(&mut *theirs, Interest::READABLE);
    rig.await_ready(token, "bytes that came before", mio::event::Event::is_readable);
    let mut byte = [0];
    rig.until("reading", || theirs.read(&mut byte)).expect("read");
    assert_eq!(byte, *b"e");
}

fn each_side_ends_by_itself(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    ours.shutdown_write().expect("shutdown");
    assert_eq!(rig.read_to_end(&mut *theirs).expect("the end"), b"");
    assert_eq!(theirs.read(&mut [0; 16]).expect("it stays at the end"), 0);
    rig.transfer(&mut *theirs, &mut *ours, &pattern(100_000));
    theirs.shutdown_write().expect("shutdown");
    assert_eq!(rig.read_to_end(&mut *ours).expect("the end"), b"");
}

fn nothing_is_cut_off(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    let bytes = pattern(3000);
    let mut sent = 0;
    while sent < bytes.len() {
        let rest = [IoSlice::new(bytes.get(sent..).unwrap_or_default())];
        sent += rig.until("writing", || ours.write_vectored(&rest)).expect("write");
    }
    ours.shutdown_write().expect("shutdown");
    drop(ours);
    assert!(rig.read_to_end(&mut *theirs).expect("everything, then the end") == bytes);
}

fn peers_that_are_gone(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { ours, mut theirs } = rig.pair(&mut *listener);
    drop(ours);
    // An orderly end or an error, both will do.
    let _ = rig.read_to_end(&mut *theirs);
    assert_write_fails(rig, &mut *theirs);
    let Pair { mut ours, theirs } = rig.pair(&mut *listener);
    drop(theirs);
    assert_write_fails(rig, &mut *ours);
}

fn assert_write_fails(rig: &mut Rig<'_>, stream: &mut dyn Stream) {
    let chunk = [7; 65536];
    for _ in 0..10_000 {
        if rig.until("writing to who is gone", || stream.write_vectored(&[IoSlice::new(&chunk)])).is_err() {
            return;
        }
    }
    panic!("a peer that is gone takes everything");
}

fn many_connections(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let local = listener.local_address();
    let mut ours: Vec<_> = (0..MANY).map(|_| rig.connect(&local).expect("connect")).collect();
    for (number, stream) in ours.iter_mut().enumerate() {
        let name = [number as u8];
        rig.until("writing", || stream.write_vectored(&[IoSlice::new(&name)])).expect("write");
    }
    let mut seen = Vec::new();
    for _ in 0..MANY {
        let mut theirs = rig.accept(&mut *listener);
        let mut name = [0; 2];
        assert_eq!(rig.until("reading", || theirs.read(&mut name)).expect("read"), 1);
        let ours = ours.get_mut(usize::from(name[0])).expect("the number that was sent");
        rig.transfer(&mut *theirs, &mut **ours, &pattern(1000));
        seen.push(name[0]);
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..MANY as u8), "each connection once, not {seen:?}");
}

fn address_in_use(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let local = listener.local_address();
    match rig.transport.listen(&local, &rig.options) {
        Err(Error::AddressInUse { .. }) => {}
        Err(error) => panic!("a second listener gets {error:?}, and not AddressInUse"),
        Ok(_) => panic!("two listeners have one address"),
    }
    // The first listens on. Whoever asked whether somebody is there may have left a connection behind.
    let mut ours = rig.connect(&local).expect("connect");
    rig.until("writing", || ours.write_vectored(&[IoSlice::new(b"x")])).expect("write");
    loop {
        let mut theirs = rig.accept(&mut *listener);
        if rig.until("reading", || theirs.read(&mut [0; 16])).is_ok_and(|count| count > 0) {
            return rig.transfer(&mut *ours, &mut *theirs, &pattern(1000));
        }
    }
}

fn listeners_that_are_gone(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let local = listener.local_address();
    for _ in 0..3 {
        let pair = rig.pair(&mut *listener);
        // The accepting side first, so that its end is the one that lingers in the system.
        drop((pair.theirs, listener, pair.ours));
        assert!(rig.connect(&local).is_err(), "connecting to nobody succeeds");
        listener = rig.listen(&local);
        assert_eq!(listener.local_address(), local);
    }
}

fn connections_outlive_listeners(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    rig.deregister(&mut *listener);
    drop(listener);
    rig.transfer(&mut *ours, &mut *theirs, &pattern(100_000));
    rig.transfer(&mut *theirs, &mut *ours, &pattern(100_000));
}

fn other_threads(rig: &mut Rig<'_>, address: &str) {
    let mut listener = rig.listen(address);
    let Pair { mut ours, mut theirs } = rig.pair(&mut *listener);
    rig.transfer(&mut *ours, &mut *theirs, &pattern(1000));
    let moved = std::thread::spawn(move || {
        assert!(would_block(theirs.read(&mut [0; 16])));
        (listener, theirs)
    });
    let (mut listener, mut theirs) = moved.join().expect("it works on another thread");
    rig.transfer(&mut *theirs, &mut *ours, &pattern(1000));
    assert!(would_block(listener.accept()));
}

fn waiting_connections_are_turned_away(rig: &mut Rig<'_>, address: &str) {
    let listener = rig.listen(address);
    let mut ours = rig.connect(&listener.local_address()).expect("connect");
    drop(listener);
    // An orderly end or an error, both will do.
    let _ = rig.read_to_end(&mut *ours);
}
