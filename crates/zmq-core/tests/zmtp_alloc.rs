//! What an engine allocates is bounded by what arrived, never by what a peer claims. One test per process: the
//! allocator counts for the thread that runs it.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;
use zmq_core::options::ZmtpVersion;
use zmq_core::zmtp::{Config, Engine, ProtocolError};
use zmq_core::{Frame, Options, SocketType};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(change: isize) {
    // A thread that is being torn down counts no more.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: every call is passed on to the system's allocator as it came; counting touches only constant-initialised
// thread locals, which allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's promises are the ones that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(isize::try_from(new_size).unwrap_or(isize::MAX) - size(layout));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work` and returns how far the memory held rose above `base` meanwhile.
fn peak_above<T>(base: isize, work: impl FnOnce() -> T) -> (isize, T) {
    PEAK.set(HELD.get());
    let result = work();
    (PEAK.get() - base, result)
}

fn engine(max_message_size: Option<u64>) -> Engine {
    let config = Config::new(SocketType::XPub, &Options::default());
    let config = Config {
        oldest_version: ZmtpVersion::V1_0,
        max_message_size,
        max_pings_per_second: u32::MAX,
        ..config
    };
    Engine::new(Arc::new(config), Instant::now())
}

fn handshake() -> Vec<u8> {
    let mut bytes = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 1];
    bytes.extend_from_slice(b"NULL");
    bytes.resize(64, 0);
    bytes.extend_from_slice(b"\x04\x1A\x05READY\x0BSocket-Type\0\0\0\x04XSUB");
    bytes
}

fn take_output(engine: &mut Engine) {
    while engine.output_len() > 0 {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = engine.output(&mut slices);
        let count = slices[..used].iter().map(|slice| slice.len()).sum();
        engine.advance_output(count);
    }
    engine.reclaim_buffer();
}

/// Feeds `stream` in pieces, through the body where that is offered and `direct` says so, and checks the bound after
/// each.
fn check(stream: &[u8], pieces: &[(usize, bool)], max_message_size: Option<u64>) {
    let base = HELD.get();
    let mut engine = engine(max_message_size);
    let now = Instant::now();
    let mut rest = stream;
    for (length, direct) in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (peak, fault) = peak_above(base, || step(&mut engine, &mut rest, *length, *direct, now));
        let received = stream.len() - rest.len();
        // Each part of a message costs a frame, twice while their list grows; a frame costs the peer two bytes.
        let frames = (received / 2).min(8192) * size_of::<Frame>() * 3;
        // The first piece of a large body, and the block that small ones share, if the last one is full just now.
        let room = 64 * 1024 + 32 * 1024;
        let bound = 2 * received + room + 4096 + if has_parts(stream) { frames } else { 0 };
        assert!(peak <= bound as isize, "{peak} bytes held after {received} received, bound {bound}");
        if fault.is_some() {
            break;
        }
    }
}

fn has_parts(stream: &[u8]) -> bool {
    let handshake = if stream.starts_with(&[0xFF]) { handshake().len() } else { OLD_HANDSHAKE.len() + 9 };
    stream.get(handshake).is_some_and(|flags| flags & 1 != 0)
}

/// One read of up to `length` bytes; drops the events at once.
fn step(
    engine: &mut Engine,
    rest: &mut &[u8],
    length: usize,
    direct: bool,
    now: Instant,
) -> Option<ProtocolError> {
    let room = if direct { engine.body_to_fill() } else { None };
    let mut piece = &[][..];
    if let Some(mut room) = room {
        let count = room.fill(&rest[..length.min(rest.len())]);
        *rest = &rest[count..];
        engine.body_filled(count, now);
    } else {
        (piece, *rest) = rest.split_at(length.min(rest.len()));
    }
    let fault = loop {
        match engine.next_event(&mut piece, now) {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };
    take_output(engine);
    fault
}

/// A frame that claims `length` and has what it has.
fn claiming(flags: u8, length: u64, body: &[u8]) -> Vec<u8> {
    [&[flags | 2], &length.to_be_bytes()[..], body].concat()
}

/// All of the handshake of a ZMTP 1.0 peer without a name.
const OLD_HANDSHAKE: [u8; 2] = [1, 0];

/// The same in ZMTP 1.0, where the length comes first and counts the flags.
fn old_claiming(flags: u8, length: u64, body: &[u8]) -> Vec<u8> {
    [&[0xFF], &length.to_be_bytes()[..], &[flags], body].concat()
}

#[test]
fn memory_is_bounded_by_what_arrived() {
    let wholes: [&[(usize, bool)]; 4] =
        [&[(usize::MAX, false)], &[(usize::MAX, true)], &[(1000, true)], &[(777, false), (3000, true)]];
    for pieces in wholes {
        for length in [1 << 20, 1 << 40, (1 << 63) - 1, 1 << 63, u64::MAX] {
            for arrived in [0, 1, 100, 10_000, 300_000] {
                for flags in [0, 1, 4] {
                    let stream = [handshake(), claiming(flags, length, &vec![7; arrived])].concat();
                    check(&stream, pieces, None);
                    check(&stream, pieces, Some(1 << 30));
                }
            }
        }
        for length in [1 << 20, 1 << 40, 1 << 63, u64::MAX] {
            for (arrived, flags) in [(0, 0), (100, 1), (10_000, 0), (300_000, 1)] {
                let stream = [&OLD_HANDSHAKE[..], &old_claiming(flags, length, &vec![7; arrived])].concat();
                check(&stream, pieces, None);
            }
        }
        // Parts without a body, as many as are allowed and more.
        check(&[handshake(), [1, 0].repeat(10_000)].concat(), pieces, None);
        // A whole body in two ways.
        check(&[handshake(), claiming(0, 1_000_000, &vec![7; 1_000_000])].concat(), pieces, None);
        // A large topic, which is rewritten.
        let topic = [b"\x09SUBSCRIBE", &vec![7; 500_000][..]].concat();
        check(&[handshake(), claiming(4, topic.len() as u64, &topic)].concat(), pieces, None);
    }
    // PINGs that nobody takes the answers of.
    let pings = [handshake(), b"\x04\x07\x04PING\0\0".repeat(100_000)].concat();
    let base = HELD.get();
    let mut pinged = engine(None);
    let mut input = &pings[..];
    let (peak, _) =
        peak_above(base, || while let Ok(Some(_)) = pinged.next_event(&mut input, Instant::now()) {});
    assert!(input.is_empty() && peak < 4096, "{peak}");
    drop(pinged);

    before_the_handshake_is_over();
    at_random();
}

fn before_the_handshake_is_over() {
    let property = [b"\x01X\0\0\x10\0", &[0; 0x1000][..]].concat();
    for tail in
        [claiming(4, 8198, &[b"\x05READY", &property[..]].concat()), claiming(4, u64::MAX >> 1, &[0; 100])]
    {
        let stream = [&handshake()[..64], &tail].concat();
        assert!(refused(&stream) < 16 * 1024);
    }
    let old_greeting = [&handshake()[..10], &[1, 2]].concat();
    for stream in [
        [&old_greeting[..], &claiming(0, u64::MAX >> 1, &[0; 30_000])].concat(),
        old_claiming(0, u64::MAX >> 1, &[0; 30_000]),
        [&[0xFE, 0][..], &[7; 200]].concat(),
    ] {
        assert!(refused(&stream) < 16 * 1024);
    }
}

/// How much is held of a handshake that is not complete.
fn refused(stream: &[u8]) -> isize {
    let base = HELD.get();
    let mut engine = engine(None);
    let mut input = stream;
    let (peak, _) =
        peak_above(base, || while let Ok(Some(_)) = engine.next_event(&mut input, Instant::now()) {});
    assert!(!engine.is_ready());
    peak
}

fn at_random() {
    let claim = || (0..8_u8, any::<u64>(), 0..64_u32, prop::collection::vec(any::<u8>(), 0..3000));
    let current =
        claim().prop_map(|(flags, length, shift, body)| claiming(flags & 6, length >> shift, &body));
    let old = claim().prop_map(|(_, length, shift, body)| old_claiming(0, length >> shift, &body));
    let pieces = || prop::collection::vec((1..5000_usize, any::<bool>()), 1..8);
    check_at_random(&handshake(), (prop::collection::vec(current, 1..8), pieces()));
    check_at_random(&OLD_HANDSHAKE, (prop::collection::vec(old, 1..8), pieces()));
}

fn check_at_random(handshake: &[u8], strategy: impl Strategy<Value = (Vec<Vec<u8>>, Vec<(usize, bool)>)>) {
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&strategy, |(frames, pieces)| {
        check(&[handshake, &frames.concat()].concat(), &pieces, None);
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}
