//! Tests under std: single steps, random operations against an oracle, and two threads that really wait.

use super::*;
use crate::message::Message;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, thread};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many of its clones live.
#[derive(Clone, Default)]
struct Census(Arc<AtomicUsize>);

impl Census {
    fn message(&self, number: u64) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted { number, census: self.clone() }
    }

    fn alive(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A message that counts how often it is dropped. The box lets a sanitizer see a double drop, too.
struct Counted {
    number: u64,
    census: Census,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(formatter)
    }
}

fn read_all<T: Send>(reader: &mut Reader<T>) -> Vec<T> {
    std::iter::from_fn(|| reader.read()).collect()
}

#[test]
fn nothing_is_visible_before_the_flush() {
    let (mut writer, mut reader) = pipe(0);
    assert_eq!(writer.flush(), Flush::ReaderAwake);
    for number in 0..100 {
        writer.write(number).unwrap();
    }
    assert_eq!(reader.read(), None);
    assert_eq!(reader.len(), 0);
    assert_eq!(writer.flush(), Flush::ReaderAwake);
    assert_eq!(reader.len(), 100);
    assert_eq!(read_all(&mut reader), (0..100).collect::<Vec<_>>());
    assert_eq!((writer.written(), reader.consumed()), (100, 100));
}

#[test]
fn the_high_water_mark_counts_messages() {
    for hwm in 1..70 {
        let (mut writer, mut reader) = pipe(hwm);
        for number in 0..hwm {
            assert!(writer.can_write());
            writer.write(number).unwrap();
        }
        assert!(!writer.can_write());
        assert_eq!(writer.write(hwm), Err(hwm));
        let _ = writer.flush();
        assert_eq!(writer.write(hwm), Err(hwm));
        assert_eq!(read_all(&mut reader).len(), hwm);
        assert!(writer.can_write());
    }
}

#[test]
fn credit_comes_back_at_the_low_water_mark_and_wakes_once() {
    for hwm in 1..70 {
        let (mut writer, mut reader) = pipe(hwm);
        assert!(!writer.wait_for_credit());
        (0..hwm).for_each(|number| writer.write(number).unwrap());
        let _ = writer.flush();
        assert!(writer.wait_for_credit());
        assert!(writer.wait_for_credit(), "marking again changes nothing");
        for read in 1..=hwm {
            reader.read().unwrap();
            assert_eq!(reader.take_writer_wake(), read == hwm.div_ceil(2));
            assert!(!reader.take_writer_wake());
        }
        assert!(!writer.wait_for_credit());
    }
}

#[test]
fn unbounded_writes_take_credit_but_need_none() {
    let (mut writer, mut reader) = pipe(2);
    (0..10).for_each(|number| writer.write_unbounded(number).unwrap());
    assert_eq!(writer.write(10), Err(10));
    let _ = writer.flush();
    assert!(writer.wait_for_credit());
    assert_eq!(read_all(&mut reader).len(), 10);
    assert!(reader.take_writer_wake());
    assert!(writer.can_write());
}

#[test]
fn a_sleeping_reader_is_woken_once() {
    for (mut writer, mut reader) in [pipe(0), conflating()] {
        assert!(reader.sleep());
        assert!(reader.sleep(), "sleeping again changes nothing");
        writer.write(1).unwrap();
        assert!(reader.is_empty());
        assert_eq!(writer.flush(), Flush::ReaderAsleep);
        writer.write(2).unwrap();
        assert_eq!(writer.flush(), Flush::ReaderAwake);
        assert!(!reader.sleep());
        while reader.read().is_some() {}
        assert!(reader.sleep());
        assert!(writer.close());
        assert!(!writer.close());
        assert!(!reader.sleep());
        assert!(reader.is_closed());
    }
}

#[test]
fn a_closed_writer_leaves_what_it_flushed() {
    for (mut writer, mut reader) in [pipe(0), conflating()] {
        writer.write(1).unwrap();
        let _ = writer.flush();
        writer.write(2).unwrap();
        assert!(!writer.close());
        assert_eq!(writer.discarded(), 1);
        assert_eq!(writer.write(3), Err(3));
        assert_eq!(writer.write_unbounded(3), Err(3));
        assert!(!writer.can_write() && !writer.wait_for_credit());
        assert_eq!(writer.flush(), Flush::ReaderAwake);
        assert!(!reader.is_closed());
        assert!(!reader.sleep());
        assert_eq!(reader.read(), Some(1));
        assert!(reader.is_closed());
        assert_eq!(reader.read(), None);
        assert_eq!(writer.written(), reader.consumed() + writer.discarded());
    }
}

#[test]
fn a_closed_reader_sends_everything_back() {
    for (mut writer, mut reader) in [pipe(2), conflating()] {
        writer.write(1).unwrap();
        let _ = writer.flush();
        assert_eq!(reader.close(), Closed { writer_waiting: false, discarded: 1 });
        assert_eq!(reader.close(), Closed::default());
        assert!(writer.is_reader_closed());
        assert!(reader.is_closed());
        assert!(reader.read().is_none() && reader.is_empty() && !reader.sleep());
        writer.write(2).unwrap();
        assert_eq!(writer.flush(), Flush::ReaderClosed);
        assert_eq!(writer.flush(), Flush::ReaderClosed);
        assert_eq!(writer.write(3), Err(3));
        assert_eq!(writer.write_unbounded(3), Err(3));
        assert!(!writer.can_write() && !writer.wait_for_credit() && !writer.set_hwm(9));
        assert_eq!((writer.written(), writer.discarded(), writer.replaced()), (2, 1, 0));
        assert!(!writer.close());
    }
}

#[test]
fn a_waiting_writer_hears_of_the_close() {
    let (mut writer, mut reader) = pipe(1);
    writer.write(1).unwrap();
    let _ = writer.flush();
    assert!(writer.wait_for_credit());
    assert_eq!(reader.close(), Closed { writer_waiting: true, discarded: 1 });
    assert!(!writer.wait_for_credit());
    assert!(writer.is_reader_closed());

    // A wake that an acknowledgement found and nobody took is not lost either.
    let (mut writer, mut reader) = pipe(1);
    writer.write(1).unwrap();
    let _ = writer.flush();
    assert!(writer.wait_for_credit());
    assert_eq!(reader.read(), Some(1));
    assert_eq!(reader.close(), Closed { writer_waiting: true, discarded: 0 });
}

#[test]
fn a_rollback_leaves_nothing() {
    for flushed in 0..70 {
        for taken_back in 0..70 {
            let (mut writer, mut reader) = pipe(0);
            (0..flushed).for_each(|number| writer.write(number).unwrap());
            let _ = writer.flush();
            assert_eq!(reader.read(), (flushed > 0).then_some(0));
            (0..taken_back).for_each(|_| writer.write(1000).unwrap());
            writer.rollback();
            assert_eq!(writer.written(), flushed);
            writer.write(flushed).unwrap();
            let _ = writer.flush();
            assert_eq!(read_all(&mut reader), (1.min(flushed)..=flushed).collect::<Vec<_>>());
        }
    }
    let (mut writer, mut reader) = conflating();
    writer.write(1).unwrap();
    writer.rollback();
    assert_eq!((writer.flush(), reader.read(), writer.written()), (Flush::ReaderAwake, None, 0));
}

#[test]
fn a_rollback_gives_credit_back() {
    let (mut writer, _reader) = pipe(1);
    writer.write(1).unwrap();
    writer.rollback();
    writer.write(2).unwrap();
    assert_eq!(writer.write(3), Err(3));
}

#[test]
fn the_high_water_mark_of_a_live_pipe_can_change() {
    let (mut writer, mut reader) = pipe(2);
    writer.write(0).unwrap();
    writer.write(1).unwrap();
    let _ = writer.flush();
    assert!(writer.wait_for_credit());
    assert!(writer.set_hwm(3));
    writer.write(2).unwrap();
    assert_eq!(writer.write(3), Err(3));
    assert!(writer.set_hwm(0));
    (3..100).for_each(|number| writer.write(number).unwrap());
    let _ = writer.flush();
    assert!(writer.set_hwm(10), "one message is admitted, so that the reader learns the mark");
    writer.write(100).unwrap();
    assert_eq!(writer.write(101), Err(101));
    assert_eq!(writer.flush(), Flush::ReaderAwake);
    assert!(writer.wait_for_credit());
    assert_eq!(read_all(&mut reader).len(), 101);
    assert!(reader.take_writer_wake());
    let admitted = (0..20).take_while(|number| writer.write(*number).is_ok()).count();
    assert!((6..=10).contains(&admitted), "{admitted}");
}

#[test]
fn a_decreased_mark_strands_nobody() {
    // The reader has read everything below its low-water mark of 500 when the mark falls to 10.
    let (mut writer, mut reader) = pipe(1000);
    (0..50).for_each(|number| writer.write(number).unwrap());
    let _ = writer.flush();
    assert_eq!(read_all(&mut reader).len(), 50);
    writer.set_hwm(10);
    while writer.write(50).is_ok() {}
    let _ = writer.flush();
    assert!(writer.wait_for_credit());
    read_all(&mut reader);
    assert!(reader.take_writer_wake());
    assert!(writer.can_write());
}

#[test]
fn a_conflating_pipe_keeps_the_last_message() {
    let (mut writer, mut reader) = conflating();
    for number in 0..10 {
        writer.write(number).unwrap();
        if number % 3 == 0 {
            let _ = writer.flush();
        }
    }
    assert_eq!(reader.len(), 1);
    assert_eq!(reader.read(), Some(9));
    assert_eq!(reader.read(), None);
    assert_eq!((writer.written(), writer.replaced(), writer.discarded()), (10, 9, 0));
}

#[test]
fn an_idle_pipe_is_small() {
    let halves = size_of::<Writer<[u8; 72]>>() + size_of::<Reader<[u8; 72]>>();
    let counts = crossbeam_utils::CachePadded::new(()); // the counts of the Arc, padded
    assert!(halves + size_of_val(&counts) + queue::SHARED_SIZE < 512, "{halves} {}", queue::SHARED_SIZE);
}

#[test]
fn lockstep_needs_two_chunks() {
    let mut chunks = std::collections::HashSet::new();
    let (mut writer, mut reader) = queue::queue::<u64, 4>(8);
    for number in 0..1000 {
        writer.write(number).unwrap();
        assert_eq!(writer.flush(), Flush::ReaderAwake);
        chunks.insert(writer.tail_address());
        assert_eq!(reader.read(), Some(number));
    }
    assert!(chunks.len() <= 2, "{}", chunks.len());
}

#[test]
fn so_many_vacant_chunks_are_kept_and_all_of_them_come_back() {
    let round = |writer: &mut queue::Writer<u64, 4>, reader: &mut queue::Reader<u64, 4>, count| {
        (0..count).for_each(|number| writer.write(number).unwrap());
        assert_eq!(writer.flush(), Flush::ReaderAwake);
        (0..count).for_each(|number| assert_eq!(reader.read(), Some(number)));
    };
    // The reader is still in the last one.
    for (most, chunks, spares) in [(1, 1, 0), (1, 2, 1), (1, 9, 1), (3, 4, 3), (3, 5, 3), (8, 5, 4)] {
        let (mut writer, mut reader) = queue::queue(0);
        reader.keep_spares(most);
        round(&mut writer, &mut reader, 4 * chunks);
        assert_eq!(writer.vacant(), (0, spares), "of {chunks} chunks");
        round(&mut writer, &mut reader, 4);
        assert_eq!(writer.vacant(), (spares.saturating_sub(1), 1), "the writer picks all of them up");
    }
}

#[test]
fn every_message_is_dropped_once_whoever_goes_first() {
    for flushed in [0, 1, 31, 32, 33, 64, 100] {
        for unflushed in [0, 1, 31, 32, 33, 64] {
            for read in [0, 1, 32, 33, 64, 100] {
                for writer_first in [false, true] {
                    drop_after(&pipe, flushed, unflushed, read, writer_first);
                    drop_after(&|_| conflating(), flushed, unflushed, read, writer_first);
                }
            }
        }
    }
}

fn drop_after(
    make: &dyn Fn(usize) -> (Writer<Counted>, Reader<Counted>),
    flushed: u64,
    unflushed: u64,
    read: u64,
    writer_first: bool,
) {
    let census = Census::default();
    let (mut writer, mut reader) = make(0);
    (0..flushed).for_each(|number| writer.write(census.message(number)).unwrap());
    let _ = writer.flush();
    (0..read).for_each(|_| drop(reader.read()));
    (0..unflushed).for_each(|number| writer.write(census.message(number)).unwrap());
    if writer_first {
        let _ = writer.close();
        let closed = reader.close();
        let counted = reader.consumed() + closed.discarded + writer.discarded() + writer.replaced();
        assert_eq!(writer.written(), counted);
    } else {
        drop(reader);
        if unflushed > 0 {
            assert_eq!(writer.flush(), Flush::ReaderClosed);
        }
        drop(writer);
    }
    assert_eq!(census.alive(), 0);
}

#[derive(Debug, Clone)]
enum Operation {
    Write,
    WriteUnbounded,
    Flush,
    Rollback,
    Read,
    ReadAll,
    Sleep,
    Wait,
    /// The newest message that was flushed and not read stands for so many more.
    AddWeight(u64),
    SetHwm(usize),
    CloseWriter,
    CloseReader,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    use Operation::*;
    let operation = prop_oneof![
        20 => Just(Write),
        1 => Just(WriteUnbounded),
        8 => Just(Flush),
        2 => Just(Rollback),
        12 => Just(Read),
        2 => Just(ReadAll),
        3 => Just(Sleep),
        3 => Just(Wait),
        2 => (1u64..5).prop_map(AddWeight),
        1 => (0usize..12).prop_map(SetHwm),
    ];
    let end = prop_oneof![Just(CloseWriter), Just(CloseReader), Just(Flush)];
    (
        prop::collection::vec(operation, 0..150),
        end,
        prop::collection::vec(
            prop_oneof![Just(Write), Just(Flush), Just(Read), Just(Wait), Just(Sleep)],
            0..8,
        ),
    )
        .prop_map(|(mut operations, end, after)| {
            operations.push(end);
            operations.extend(after);
            operations
        })
}

/// A pipe as its documentation describes it, in the simplest terms.
struct Oracle {
    hwm: usize,
    /// The mark has changed, so what the reader holds back is only bounded, not known.
    hwm_changed: bool,
    /// Messages admitted by count since the mark was decreased.
    grace: u64,
    next: u64,
    pending: VecDeque<u64>,
    visible: VecDeque<u64>,
    /// For how many more messages each stands, by number.
    beyond: Vec<u64>,
    asleep: bool,
    waiting: bool,
    /// A wake for a mark that `set_hwm` has made pointless may still come.
    stale_wake: bool,
    writer_closed: bool,
    reader_closed: bool,
}

impl Oracle {
    fn slots(&self) -> usize {
        self.pending.len() + self.visible.len()
    }

    fn weight(&self, number: u64) -> u64 {
        1 + self.beyond.get(number as usize).copied().unwrap_or(0)
    }

    fn visible_weight(&self) -> u64 {
        self.visible.iter().map(|number| self.weight(*number)).sum()
    }

    fn outstanding(&self) -> usize {
        self.pending.len() + self.visible_weight() as usize
    }

    fn must_accept(&self) -> bool {
        let held_back = self.hwm.div_ceil(2).saturating_sub(1);
        self.hwm == 0 || (!self.hwm_changed && self.outstanding() + held_back < self.hwm)
    }

    fn must_refuse(&self, written: u64) -> bool {
        self.hwm != 0 && self.outstanding() >= self.hwm && written >= self.grace
    }

    fn set_hwm(&mut self, hwm: usize, written: u64) {
        if hwm != 0 && (self.hwm == 0 || hwm < self.hwm) {
            self.grace = written + 1;
        }
        self.hwm = hwm;
        self.hwm_changed = true;
        self.stale_wake |= std::mem::take(&mut self.waiting);
    }
}

/// Applies the operations to a queue with chunks of `SLOTS` and to the oracle.
fn compare<const SLOTS: usize>(hwm: usize, operations: &[Operation]) {
    let census = Census::default();
    let (mut writer, mut reader) = queue::queue::<Counted, SLOTS>(hwm);
    let mut oracle = Oracle {
        hwm,
        hwm_changed: false,
        grace: 0,
        next: 0,
        pending: VecDeque::new(),
        visible: VecDeque::new(),
        beyond: Vec::new(),
        asleep: false,
        waiting: false,
        stale_wake: false,
        writer_closed: false,
        reader_closed: false,
    };
    let mut discarded = 0;
    for operation in operations {
        match operation {
            Operation::Write | Operation::WriteUnbounded => {
                let bounded = matches!(operation, Operation::Write);
                let written = writer.written() - oracle.beyond.iter().sum::<u64>();
                let message = census.message(oracle.next);
                let outcome = if bounded { writer.write(message) } else { writer.write_unbounded(message) };
                match &outcome {
                    Ok(()) => {
                        assert!(!oracle.writer_closed);
                        assert!(!bounded || oracle.reader_closed || !oracle.must_refuse(written));
                        oracle.pending.push_back(oracle.next);
                        oracle.next += 1;
                    }
                    Err(message) => {
                        assert_eq!(message.number, oracle.next);
                        let closed = oracle.writer_closed || oracle.reader_closed;
                        assert!(closed || (bounded && !oracle.must_accept()));
                        if oracle.reader_closed {
                            oracle.pending.clear();
                        }
                    }
                }
            }
            Operation::Flush => match writer.flush() {
                Flush::ReaderClosed => {
                    assert!(oracle.reader_closed);
                    oracle.pending.clear();
                }
                flush => {
                    let published = !oracle.pending.is_empty();
                    assert!(!published || !oracle.reader_closed);
                    let asleep = published && std::mem::take(&mut oracle.asleep);
                    assert_eq!(flush == Flush::ReaderAsleep, asleep);
                    oracle.visible.append(&mut oracle.pending);
                }
            },
            Operation::Rollback => {
                writer.rollback();
                oracle.pending.clear();
            }
            Operation::Read => {
                let message = reader.read().map(|message| message.number);
                assert_eq!(message, oracle.visible.pop_front());
                reader.add_weight(message.map_or(0, |number| oracle.weight(number) - 1));
            }
            Operation::ReadAll => {
                assert_eq!(reader.len(), oracle.visible.len());
                let weight = reader.weigh(|message| oracle.weight(message.number) as usize);
                assert_eq!(weight as u64, oracle.visible_weight());
                while let Some(message) = reader.read() {
                    assert_eq!(Some(message.number), oracle.visible.pop_front());
                    reader.add_weight(oracle.weight(message.number) - 1);
                }
                assert!(oracle.visible.is_empty());
            }
            Operation::Sleep => {
                let asleep = reader.sleep();
                let open = !oracle.writer_closed && !oracle.reader_closed;
                assert_eq!(asleep, oracle.visible.is_empty() && open);
                oracle.asleep |= asleep;
            }
            // To wait with messages that are not flushed is a mistake of the caller.
            Operation::Wait if !oracle.pending.is_empty() => {}
            Operation::Wait => {
                let waiting = writer.wait_for_credit();
                assert_ne!(waiting, writer.can_write() || oracle.writer_closed || oracle.reader_closed);
                oracle.waiting |= waiting;
            }
            Operation::AddWeight(messages) => {
                if let Some(newest) = oracle.visible.back() {
                    oracle.beyond.resize(oracle.next as usize, 0);
                    oracle.beyond[*newest as usize] += messages;
                    writer.add_weight(*messages);
                    let room = writer.room(usize::MAX);
                    assert_eq!(room > 0, writer.can_write());
                    assert!(oracle.hwm_changed || oracle.hwm == 0 || room <= oracle.hwm);
                }
            }
            Operation::SetHwm(hwm) => {
                let credit = writer.set_hwm(*hwm);
                assert_eq!(credit, writer.can_write());
                oracle.set_hwm(*hwm, writer.written() - oracle.beyond.iter().sum::<u64>());
            }
            Operation::CloseWriter => {
                assert_eq!(writer.close(), oracle.asleep);
                oracle.pending.clear();
                oracle.writer_closed = true;
            }
            Operation::CloseReader => {
                let closed = reader.close(|message| oracle.weight(message.number) as usize);
                discarded += closed.discarded;
                assert_eq!(closed.discarded, oracle.visible_weight());
                assert!(closed.writer_waiting || !oracle.waiting);
                oracle.visible.clear();
                oracle.reader_closed = true;
                oracle.waiting = false;
            }
        }
        if reader.take_writer_wake() {
            assert!(oracle.waiting || oracle.stale_wake, "a wake that nobody asked for");
            oracle.waiting = false;
            oracle.stale_wake = false;
        }
        let drained = oracle.visible.is_empty() && oracle.pending.is_empty();
        assert!(!(drained && oracle.waiting), "the pipe is drained and its writer waits");
        assert_eq!(census.alive(), oracle.slots());
    }
    let _ = writer.close();
    discarded += reader.close(|message| oracle.weight(message.number) as usize).discarded;
    assert_eq!(writer.written(), reader.consumed() + discarded + writer.discarded());
    drop((writer, reader));
    assert_eq!(census.alive(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_queue_is_a_queue(hwm in 0usize..12, operations in operations()) {
        compare::<1>(hwm, &operations);
        compare::<2>(hwm, &operations);
        compare::<3>(hwm, &operations);
        compare::<32>(hwm, &operations);
    }

    #[test]
    fn a_conflating_pipe_holds_the_last_flush(operations in prop::collection::vec(0..5u8, 0..100)) {
        let census = Census::default();
        let (mut writer, mut reader) = conflating();
        let (mut next, mut pending, mut visible) = (0, None, None);
        for operation in operations {
            match operation {
                0 | 1 => {
                    writer.write(census.message(next)).unwrap();
                    pending = Some(next);
                    next += 1;
                }
                2 => {
                    assert_eq!(writer.flush(), Flush::ReaderAwake);
                    visible = pending.take().or(visible);
                }
                3 => {
                    writer.rollback();
                    pending = None;
                }
                _ => assert_eq!(reader.read().map(|message| message.number), visible.take()),
            }
            assert_eq!(census.alive(), usize::from(pending.is_some()) + usize::from(visible.is_some()));
        }
        let _ = writer.close();
        let discarded = reader.close().discarded;
        let gone = writer.discarded() + writer.replaced();
        assert_eq!(writer.written(), reader.consumed() + discarded + gone);
        assert_eq!(census.alive(), 0);
    }
}

/// Messages of a stress test: less in debug builds, and less where each one costs a hand-over between
/// threads.
fn scaled(count: u64) -> u64 {
    if cfg!(debug_assertions) { count / 10 } else { count }
}

/// The message of the stress tests is as large as the real one; a torn or stale slot shows.
#[derive(Clone, Copy)]
struct Wide([u64; 9]);

impl Wide {
    fn new(number: u64) -> Self {
        Self([number; 9])
    }

    fn number(&self) -> u64 {
        assert!(self.0.iter().all(|word| *word == self.0[0]), "torn: {:?}", self.0);
        self.0[0]
    }
}

fn write_all(mut writer: Writer<Wide>, count: u64, batch: u64, reader: &thread::Thread) {
    let flush = |writer: &mut Writer<Wide>| {
        if writer.flush() == Flush::ReaderAsleep {
            reader.unpark();
        }
    };
    for number in 0..count {
        while let Err(refused) = writer.write(Wide::new(number)) {
            assert_eq!(refused.number(), number);
            flush(&mut writer);
            if writer.wait_for_credit() {
                thread::park();
            }
        }
        if number % batch == batch - 1 {
            flush(&mut writer);
        }
    }
    flush(&mut writer);
    if writer.close() {
        reader.unpark();
    }
}

/// Reads until the writer closes, parking when there is nothing; hands each number to `check`.
fn read_until_closed(mut reader: Reader<Wide>, writer: &thread::Thread, mut check: impl FnMut(u64)) {
    loop {
        while let Some(message) = reader.read() {
            check(message.number());
            if reader.take_writer_wake() {
                writer.unpark();
            }
        }
        if reader.is_closed() {
            return;
        }
        if reader.sleep() {
            thread::park();
        }
    }
}

fn stress((writer, reader): (Writer<Wide>, Reader<Wide>), count: u64, batch: u64, check: impl FnMut(u64)) {
    let this = thread::current();
    thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(writer, count, batch, &this));
        read_until_closed(reader, writer.thread(), check);
    });
}

fn stress_in_order(pipe: (Writer<Wide>, Reader<Wide>), count: u64, batch: u64) {
    let mut expected = 0;
    stress(pipe, count, batch, |number| {
        assert_eq!(number, expected);
        expected += 1;
    });
    assert_eq!(expected, count);
}

#[test]
fn stress_normal() {
    stress_in_order(pipe(1000), scaled(10_000_000), 1);
    stress_in_order(pipe(1000), scaled(10_000_000), 16);
}

#[test]
fn stress_one() {
    stress_in_order(pipe(1), scaled(300_000), 1);
    stress_in_order(pipe(3), scaled(300_000), 2);
}

#[test]
fn stress_unbounded() {
    stress_in_order(pipe(0), scaled(10_000_000), 7);
}

#[test]
fn stress_conflating() {
    let count = scaled(10_000_000);
    let mut last = None;
    stress(conflating(), count, 1, |number| {
        assert!(last < Some(number), "{last:?} {number}");
        last = Some(number);
    });
    assert_eq!(last, Some(count - 1));
}

#[test]
fn stress_close_against_traffic() {
    for round in 0..scaled(20_000) {
        let census = Census::default();
        let (mut writer, mut reader) = if round % 4 == 0 { conflating() } else { pipe(8) };
        let (ours, theirs) = (&census, census.clone());
        thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut number = 0;
                while writer.write(theirs.message(number)).is_ok() && number < round % 13 {
                    let _ = writer.flush();
                    number += 1;
                }
            });
            for _ in 0..round % 7 {
                reader.read();
            }
            drop(reader);
            writing.join().unwrap();
        });
        assert_eq!(ours.alive(), 0);
    }
}

/// Not a test: `cargo test --release timings -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn timings() {
    const COUNT: u64 = 10_000_000;
    let nanoseconds = |what: &str, run: &mut dyn FnMut()| {
        run();
        let start = Instant::now();
        run();
        println!("{what}: {:.2} ns", start.elapsed().as_nanos() as f64 / COUNT as f64);
    };
    let (mut writer, mut reader) = pipe::<Wide>(1000);
    nanoseconds("write + flush + read", &mut || {
        for number in 0..COUNT {
            let _ = writer.write(Wide::new(number));
            let _ = std::hint::black_box(writer.flush());
            std::hint::black_box(reader.read());
        }
    });
    for burst in [16, 100, 1000] {
        nanoseconds(&format!("bursts of {burst}, flushed once"), &mut || {
            for start in (0..COUNT).step_by(burst) {
                for number in start..start + burst as u64 {
                    let _ = writer.write(Wide::new(number));
                }
                let _ = std::hint::black_box(writer.flush());
                while let Some(message) = reader.read() {
                    std::hint::black_box(message);
                }
            }
        });
    }
    for burst in [100, 1000] {
        let (mut writing, mut reading) = (Duration::ZERO, Duration::ZERO);
        for start in (0..COUNT).step_by(burst) {
            let begin = Instant::now();
            for number in start..start + burst as u64 {
                let _ = writer.write(Wide::new(number));
                let _ = std::hint::black_box(writer.flush());
            }
            let middle = Instant::now();
            while let Some(message) = reader.read() {
                std::hint::black_box(message);
            }
            writing += middle - begin;
            reading += middle.elapsed();
        }
        let each = |total: Duration| total.as_nanos() as f64 / COUNT as f64;
        println!("bursts of {burst}: write + flush {:.2} ns, read {:.2} ns", each(writing), each(reading));
    }
    for (hwm, batch) in [(1000, 1), (1000, 16), (0, 16)] {
        nanoseconds(&format!("two threads, hwm {hwm}, flush every {batch}"), &mut || {
            stress_in_order(pipe(hwm), COUNT, batch);
        });
    }
    nanoseconds("two threads, conflating", &mut || stress(conflating(), COUNT, 1, |_| ()));
}

/// Each kind of body: the message moves whole, is owned once, and stays where it is if it is not accepted.
#[test]
fn a_message_leaves_its_place_only_if_it_is_accepted() {
    let bytes = bytes::Bytes::from(vec![7; 5000]);
    for conflates in [false, true] {
        for body in [&b"in place"[..], &[7; 70], &[7; 300], &bytes] {
            let (mut writer, mut reader) = if conflates { conflating() } else { pipe(1) };
            let original = match body.len() {
                5000 => Message::from(bytes.clone()),
                _ => Message::from(body),
            };
            let mut message = original.clone();
            assert!(writer.write_from(&mut message));
            assert_eq!(message, Message::from(""));
            let _ = writer.flush();
            message = original.clone();
            if !conflates {
                assert!(!writer.write_from(&mut message), "the pipe is full");
                assert_eq!(message, original);
            }
            assert_eq!(reader.read(), Some(original.clone()));
            let _ = reader.close();
            assert!(!writer.write_from(&mut message) || writer.flush() == Flush::ReaderClosed);
            assert!(message == original || message == Message::from(""));
        }
    }
    assert!(bytes.is_unique());
}
