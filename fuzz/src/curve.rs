//! Peers that have good keys and bad manners: what is in the boxes of CURVE comes from the input, and so does the
//! damage to what is around them. Nobody is let in whose proof is spoiled, and who is honest is let in.

use crate::engines::{CLIENT_KEY, Driven, SERVER_KEY, Scene};
use crate::input::{Input, with_length};
use crate::wire;
use crypto_box::aead::AeadInPlace;
use crypto_box::{PublicKey, SalsaBox, SecretKey};
use std::time::Instant;
use zmq_core::SocketType;
use zmq_core::options::ZmtpVersion;

/// The peer's keys for the connection.
const TRANSIENT: [u8; 32] = [3; 32];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let against_server = input.flag();
    let mut choices = Scene::secured(SocketType::Router, usize::from(input.byte()), 3, against_server);
    // Judged, admits or not, limited or not.
    choices[4] = input.byte();
    let scene = Scene::choose(&mut Input::new(&choices));
    let mut driven = scene.start(Instant::now());
    let mut greeting = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 1];
    greeting.extend_from_slice(b"CURVE");
    greeting.resize(32, 0);
    greeting.push(u8::from(!against_server));
    greeting.resize(64, 0);
    driven.feed(&greeting, false);
    let sent = driven.take(usize::MAX);
    assert_eq!((&driven.error, &sent[12..17]), (&None, &b"CURVE"[..]));
    let mut peer = Peer { driven, honest: true };
    let keys =
        if against_server { peer.as_client(&mut input) } else { peer.as_server(&sent[64..], &mut input) };
    if let (Some(keys), true) = (keys, peer.driven.engine.is_ready()) {
        assert!(peer.honest, "let in with a spoiled proof");
        peer.messages(&keys, against_server, &mut input);
    }
}

/// The attacker, and whom it attacks.
struct Peer {
    driven: Driven,
    /// Nothing was spoiled so far.
    honest: bool,
}

impl Peer {
    /// HELLO and INITIATE to a server. Returns the key of the messages, if it comes to that.
    fn as_client(&mut self, input: &mut Input<'_>) -> Option<SalsaBox> {
        let (ours, server) = (SecretKey::from(TRANSIENT), SecretKey::from(SERVER_KEY).public_key());
        let public = self.or_weak(ours.public_key(), input);
        let key = if self.honest { SalsaBox::new(&server, &ours) } else { SalsaBox::new(&public, &ours) };
        let first = u64::from(input.byte());
        let mut proof = vec![0; 64];
        self.honest &= !spoil(&mut proof, input);
        let proof = seal(&key, &short(b"CurveZMQHELLO---", first), proof);
        let hello =
            [&b"\x05HELLO\x01\0"[..], &[0; 72], public.as_bytes(), &first.to_be_bytes(), &proof].concat();
        let answer = self.command(hello, input)?;

        let (nonce, sealed) = answer.strip_prefix(b"\x07WELCOME")?.split_first_chunk::<16>()?;
        let content = open(&key, &long(b"WELCOME-", nonce), sealed).expect("a WELCOME that we can open");
        let (server_transient, cookie) = content.split_first_chunk::<32>().expect("S' and the cookie");
        let server_transient = PublicKey::from(*server_transient);
        let key = SalsaBox::new(&server_transient, &ours);
        let client = SecretKey::from(CLIENT_KEY);
        let mut vouched = [&public.as_bytes()[..], server.as_bytes()].concat();
        self.honest &= !spoil(&mut vouched, input);
        let vouch = seal(&SalsaBox::new(&server_transient, &client), &long(b"VOUCH---", &[9; 16]), vouched);
        let (second, metadata) = (u64::from(input.byte()), input.bytes());
        let claimed = self.or_weak(client.public_key(), input);
        let content = [&claimed.as_bytes()[..], &[9; 16], &vouch, metadata].concat();
        let sealed = seal(&key, &short(b"CurveZMQINITIATE", second), content);
        let initiate = [b"\x08INITIATE", cookie, &second.to_be_bytes(), &sealed].concat();
        let answer = self.command(initiate, input);
        self.honest &= second > first;
        let (number, sealed) = answer.as_ref()?.strip_prefix(b"\x05READY")?.split_first_chunk::<8>()?;
        let number = u64::from_be_bytes(*number);
        open(&key, &short(b"CurveZMQREADY---", number), sealed).expect("a READY that we can open");
        Some(key)
    }

    /// WELCOME and READY to a client, which has sent `hello`.
    fn as_server(&mut self, hello: &[u8], input: &mut Input<'_>) -> Option<SalsaBox> {
        let server = SecretKey::from(SERVER_KEY);
        let hello = hello.strip_prefix(b"\x04\xC8\x05HELLO\x01\0").expect("a HELLO");
        let theirs = PublicKey::from(<[u8; 32]>::try_from(&hello[72..104]).expect("C'"));
        let key = SalsaBox::new(&theirs, &server);
        let number = u64::from_be_bytes(hello[104..112].try_into().expect("a number"));
        let proof = open(&key, &short(b"CurveZMQHELLO---", number), &hello[112..]);
        assert_eq!(proof, Some(vec![0; 64]));

        let ours = SecretKey::from(TRANSIENT);
        let public = self.or_weak(ours.public_key(), input);
        let content = [&public.as_bytes()[..], &[input.byte(); 96]].concat();
        let sealed = seal(&key, &long(b"WELCOME-", &[8; 16]), content);
        let answer = self.command([b"\x07WELCOME", &[8; 16][..], &sealed].concat(), input)?;
        let rest = answer.strip_prefix(b"\x08INITIATE")?.get(96..)?;
        let (number, sealed) = rest.split_first_chunk::<8>()?;
        let key = SalsaBox::new(&theirs, &ours);
        let content = open(&key, &short(b"CurveZMQINITIATE", u64::from_be_bytes(*number)), sealed);
        let content = content.expect("an INITIATE that we can open");
        assert_eq!(&content[..32], SecretKey::from(CLIENT_KEY).public_key().as_bytes());

        let (number, metadata) = (u64::from(input.byte()), input.bytes());
        let sealed = seal(&key, &short(b"CurveZMQREADY---", number), metadata.to_vec());
        self.command([b"\x05READY", &number.to_be_bytes()[..], &sealed].concat(), input);
        Some(key)
    }

    /// MESSAGEs, some of them again or out of order.
    fn messages(&mut self, key: &SalsaBox, from_client: bool, input: &mut Input<'_>) {
        let prefix = if from_client { b"CurveZMQMESSAGEC" } else { b"CurveZMQMESSAGES" };
        // No number of the handshake is higher.
        let mut last = 255;
        while !input.is_empty() && self.driven.error.is_none() {
            let (number, flags) = (last + u64::from(input.byte() % 8), input.byte());
            let sealed = seal(key, &short(prefix, number), [&[flags], input.bytes()].concat());
            let mut body = [b"\x07MESSAGE", &number.to_be_bytes()[..], &sealed].concat();
            let spoiled = spoil(&mut body, input);
            let mut stream = Vec::new();
            wire::frame(&mut stream, ZmtpVersion::V3_1, input.pick(&[0, 4]), &body);
            let heard = self.driven.events.len();
            self.driven.feed(&stream, false);
            let told = self.driven.take(usize::MAX);
            if spoiled || last > 255 && number == last {
                assert!(self.driven.error.is_some(), "spoiled, or for the second time");
                assert_eq!(self.driven.events.len(), heard);
            }
            assert!(!told.windows(6).any(|bytes| bytes == b"\x05ERROR"), "it is told why");
            last = number;
        }
    }

    /// A public key, or one with which every shared key is known to everybody.
    fn or_weak(&mut self, key: PublicKey, input: &mut Input<'_>) -> PublicKey {
        if input.byte() != 7 {
            return key;
        }
        self.honest = false;
        PublicKey::from([0; 32])
    }

    /// Sends a command that may be spoiled, and returns the one that comes back.
    fn command(&mut self, mut body: Vec<u8>, input: &mut Input<'_>) -> Option<Vec<u8>> {
        self.honest &= !spoil(&mut body, input);
        let mut stream = Vec::new();
        wire::frame(&mut stream, ZmtpVersion::V3_1, 4, &body);
        self.driven.feed(&stream, false);
        first_command(&self.driven.take(usize::MAX))
    }
}

/// The body of the first frame.
fn first_command(bytes: &[u8]) -> Option<Vec<u8>> {
    let (flags, rest) = bytes.split_first()?;
    let (length, rest) = match flags {
        4 => rest.split_first().map(|(length, rest)| (u64::from(*length), rest))?,
        _ => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
    };
    Some(rest.get(..usize::try_from(length).ok()?)?.to_vec())
}

/// Changes the bytes, if the input says so. Returns whether they differ.
fn spoil(bytes: &mut Vec<u8>, input: &mut Input<'_>) -> bool {
    match input.byte() {
        1 => {
            let (at, mask) = (usize::from(input.number()), input.byte());
            match bytes.get_mut(at) {
                Some(byte) => *byte ^= mask,
                None => return false,
            }
            mask != 0
        }
        2 => {
            let before = bytes.len();
            bytes.truncate(usize::from(input.number()));
            bytes.len() < before
        }
        3 => {
            let more = input.bytes();
            bytes.extend_from_slice(more);
            !more.is_empty()
        }
        _ => false,
    }
}

fn seal(key: &SalsaBox, nonce: &[u8; 24], mut content: Vec<u8>) -> Vec<u8> {
    let mac = key.encrypt_in_place_detached(nonce.into(), b"", &mut content).expect("it can be sealed");
    [&mac[..], &content].concat()
}

fn open(key: &SalsaBox, nonce: &[u8; 24], sealed: &[u8]) -> Option<Vec<u8>> {
    let (mac, content) = sealed.split_first_chunk::<16>()?;
    let mut content = content.to_vec();
    key.decrypt_in_place_detached(nonce.into(), b"", &mut content, mac.into()).ok()?;
    Some(content)
}

fn short(prefix: &[u8; 16], number: u64) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(prefix);
    nonce[16..].copy_from_slice(&number.to_be_bytes());
    nonce
}

fn long(prefix: &[u8; 8], rest: &[u8; 16]) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(prefix);
    nonce[8..].copy_from_slice(rest);
    nonce
}

pub fn seeds() -> Vec<Vec<u8>> {
    let metadata = with_length(b"\x0BSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me");
    let message =
        |number: u8, flags: u8, body: &[u8]| [&[number, flags][..], &with_length(body), &[0, 0]].concat();
    let traffic = [
        message(1, 1, b"first"),
        message(1, 0, b"last"),
        message(7, 2, b"\x04PING\0\0"),
        message(1, 0, &[7; 300]),
        message(0, 0, b"again"),
    ]
    .concat();
    let mut seeds = Vec::new();
    for choice in [2, 3, 6, 1] {
        // The zeros spoil nothing.
        seeds.push([&[1, 2, choice, 0, 1, 0, 0, 0, 2][..], &metadata, &[0, 0], &traffic].concat());
        seeds.push([&[0, 2, choice, 0, 5, 0, 1][..], &metadata, &[0], &traffic].concat());
    }
    seeds
}
