//! STREAM, with the roles swapped: bytes, and who comes and goes.

use crate::common::{Library, Side, World, bounded, eventually, message};
use std::time::Duration;
use zmq::SocketType::Stream;

/// Receives the empty frame of a peer that comes or goes.
fn notice(side: &mut Side) -> Vec<u8> {
    let [id, nothing] = <[Vec<u8>; 2]>::try_from(side.recv()).unwrap();
    assert_eq!((id.len(), id[0], nothing), (5, 0, Vec::new()));
    id
}

/// Receives so many bytes of one peer, however they are cut.
fn recv_bytes(side: &mut Side, from: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let [id, more] = <[Vec<u8>; 2]>::try_from(side.recv()).unwrap();
        assert_eq!(id, from);
        assert!((1..=8192).contains(&more.len()), "{}", more.len());
        bytes.extend(more);
    }
    bytes
}

/// Closes the connection that one calls `id`; the other hears of it.
fn close(closer: &mut Side, id: &[u8], other: &mut Side, other_id: &[u8]) {
    closer.send(&message([id, b""]));
    let heard = eventually("the end is heard of", || {
        // libzmq goes on closing only while its socket is in use.
        assert!(!closer.try_send(&message([id, b"late"])));
        other.recv_within(Duration::from_millis(5))
    });
    assert_eq!(heard, message([other_id, b""]));
}

#[test]
fn streams_exchange_bytes_and_notices() {
    bounded(|| {
        for library in Library::BOTH {
            for connecter_closes in [false, true] {
                println!("{library:?} binds, connecter_closes {connecter_closes}");
                let world = World::new();
                let mut binder = world.socket(library, Stream);
                let mut connecter = world.socket(library.other(), Stream);
                world.join(&mut binder, &mut connecter, "tcp");
                let (there, here) = (notice(&mut connecter), notice(&mut binder));

                connecter.send(&message([&there, b"question"]));
                assert_eq!(recv_bytes(&mut binder, &here, 8), b"question");
                let large: Vec<u8> = (0..200_000).map(|number| (number % 251) as u8).collect();
                binder.send(&message([&here, &large]));
                assert_eq!(recv_bytes(&mut connecter, &there, large.len()), large);

                // Who closes hears no more of it; the other is told.
                if connecter_closes {
                    close(&mut connecter, &there, &mut binder, &here);
                    assert_eq!(connecter.recv_within(Duration::from_millis(60)), None);
                } else {
                    close(&mut binder, &here, &mut connecter, &there);
                    // It connects again, and the binder has a new peer.
                    assert_ne!(notice(&mut binder), here);
                }
            }
        }
    });
}
