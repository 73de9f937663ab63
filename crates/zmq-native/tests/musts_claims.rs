//! G6: what a peer claims costs no memory, and what is too large costs that peer its connection. Alone in its process,
//! because it counts what is allocated.

mod common;

use common::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use zmq::SocketType;

struct Largest;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

#[test]
fn g6_a_claimed_length_allocates_nothing_and_a_breach_closes_that_connection_only() {
    for_each_wire(|endpoint| {
        let mut pull = socket_with(SocketType::Pull, |options| options.max_message_size = Some(100_000));
        let place = pull.bind(endpoint).unwrap();
        let mut push = socket(SocketType::Push);
        push.connect(&place).unwrap();
        push.send("before").unwrap();
        assert_eq!(receive_text(&mut pull), "before");
        let mut greedy = Raw::connect(&place, "PUSH");
        greedy.write(&[2]);
        greedy.write(&100_001u64.to_be_bytes());
        greedy.write(b"some of it");
        greedy.wait_for_end();
        let mut parts = Raw::connect(&place, "PUSH");
        for _ in 0..2 {
            parts.write(&[3]);
            parts.write(&60_000u64.to_be_bytes());
            parts.write(&vec![0; 60_000][..]);
        }
        parts.wait_for_end();
        push.send(vec![b'x'; 100_000]).unwrap();
        assert_eq!(receive(&mut pull)[0].len(), 100_000);
        assert_eq!(push.stats().connections, 1);

        // Without a limit: a claim of a tebibyte.
        let mut pull = socket(SocketType::Pull);
        let place = pull.bind(endpoint).unwrap();
        let mut push = socket(SocketType::Push);
        push.connect(&place).unwrap();
        let mut liar = Raw::connect(&place, "PUSH");
        LARGEST.store(0, Ordering::Relaxed);
        liar.write(&[2]);
        liar.write(&(1u64 << 40).to_be_bytes());
        liar.write(&[0; 4096]);
        until("the claim has arrived", || pull.stats().bytes_received > 4200);
        push.send("after").unwrap();
        assert_eq!(receive_text(&mut pull), "after");
        let largest = LARGEST.load(Ordering::Relaxed);
        assert!(largest <= 1 << 20, "{largest} bytes were allocated at once");
        // And one that does not fit into 63 bits.
        liar = Raw::connect(&place, "PUSH");
        liar.write(&[2]);
        liar.write(&(1u64 << 63).to_be_bytes());
        liar.wait_for_end();
    });
}
