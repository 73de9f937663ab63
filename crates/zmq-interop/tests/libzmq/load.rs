//! Many messages, none lost, each sender's in order.

use crate::common::{Library, Side, World, bounded, message};
use zmq::SocketType::{Pull, Push};

const SENDERS: u32 = 20;
const EACH: u32 = 20_000;

#[test]
fn twenty_of_theirs_push_to_our_pull() {
    bounded(|| {
        let world = World::new();
        let mut pull = world.socket(Library::Ours, Pull);
        let tcp = world.bind_anew(&mut pull, "tcp");
        let ipc = world.bind_anew(&mut pull, "ipc");
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let mut push = world.theirs(Push);
                push.set_linger(-1).unwrap();
                push.connect(if sender % 2 == 0 { &tcp } else { &ipc }).unwrap();
                // Not closed before all has come: of a batch that the system took a part of only, libzmq throws the rest
                // away when the socket is closed, whatever its linger time.
                std::thread::spawn(move || {
                    send_all(&mut push, sender);
                    push
                })
            })
            .collect();
        let mut next = [0; SENDERS as usize];
        let Side::Ours(pull) = &mut pull else { unreachable!() };
        for _ in 0..SENDERS * EACH {
            let received = pull.recv();
            let received = received.unwrap_or_else(|error| panic!("{error}; {next:?}, {:?}", pull.stats()));
            let (sender, number) = read(received.body());
            assert_eq!(number, next[sender as usize], "of sender {sender}");
            next[sender as usize] += 1;
        }
        assert_eq!(next, [EACH; SENDERS as usize]);
        let pushes: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        assert!(pull.try_recv().is_err());
        drop(pushes);
    });
}

fn send_all(push: &mut libzmq::Socket, sender: u32) {
    for number in 0..EACH {
        push.send(&write(sender, number)[..], 0).unwrap();
    }
}

fn write(sender: u32, number: u32) -> [u8; 8] {
    let mut body = [0; 8];
    body[..4].copy_from_slice(&sender.to_le_bytes());
    body[4..].copy_from_slice(&number.to_le_bytes());
    body
}

fn read(body: &[u8]) -> (u32, u32) {
    let word = |at| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
    assert_eq!(body.len(), 8);
    (word(0), word(4))
}

#[test]
fn our_push_to_their_pull_with_checksums() {
    const COUNT: u32 = 200_000;
    bounded(|| {
        let world = World::new();
        let pull = world.theirs(Pull);
        let mut pull = Side::Theirs(pull);
        let endpoint = world.bind_anew(&mut pull, "tcp");
        let mut push = world.socket(Library::Ours, Push);
        push.connect(&endpoint);
        let sender = std::thread::spawn(move || {
            let Side::Ours(push) = &mut push else { unreachable!() };
            for number in 0..COUNT {
                push.send(checked(number)).unwrap();
            }
        });
        let Side::Theirs(pull) = &mut pull else { unreachable!() };
        for number in 0..COUNT {
            let body = pull.recv_bytes(0).unwrap();
            let (content, sum) = body.split_at(body.len() - 4);
            assert_eq!(sum, checksum(content).to_le_bytes(), "message {number}");
            assert_eq!(content[..4], number.to_le_bytes());
        }
        sender.join().unwrap();
    });
}

/// A number, filler of a length that varies around the limit of short frames, and the checksum of both.
fn checked(number: u32) -> Vec<u8> {
    let length = if number % 16 == 0 { 200 + number as usize % 100 } else { number as usize % 40 };
    let mut body = number.to_le_bytes().to_vec();
    body.extend((0..length).map(|index| (number as usize + index) as u8));
    let sum = checksum(&body);
    body.extend(sum.to_le_bytes());
    body
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Our PUSH drops nothing when it is dropped itself with messages queued.
#[test]
fn our_push_lingers() {
    bounded(|| {
        let world = World::new();
        let mut pull = world.socket(Library::Theirs, Pull);
        let endpoint = world.bind_anew(&mut pull, "tcp");
        for round in 0..10u32 {
            let mut push = world.socket(Library::Ours, Push);
            push.connect(&endpoint);
            for number in 0..500u32 {
                push.send(&message([&round.to_le_bytes(), &number.to_le_bytes()]));
            }
            drop(push);
            for number in 0..500u32 {
                assert_eq!(pull.recv(), message([&round.to_le_bytes(), &number.to_le_bytes()]));
            }
        }
    });
}
