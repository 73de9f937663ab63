//! The models P1 to P5 and P7: the types that ship, under all interleavings that loom explores.
//!
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release loom_`
//!
//! Each model has one test that runs it as it is, and one for each way of breaking the code it must notice.
//! Messages are counted references that loom tracks, so that a message lost or dropped twice shows. A lost
//! wake shows as a deadlock. Atomics of `std` are ghosts: loom does not see them, so they order nothing.
//!
//! loom 0.7 has a blind spot: of each atomic it remembers one last access. If a thread loads a word and then
//! stores to it, its own load hides an earlier load by the other thread, and the order in which the store
//! comes first is never tried. So the pipe swaps where a load and a store would do, and each half keeps what
//! it last stored in a field of its own. The mutants are what found this out; a new model needs them.

use super::queue::queue;
use super::*;
use crate::sync::{Arc, Mutant, assert_mutant_fails, thread};
use loom::model;
use std::sync::atomic::{AtomicUsize, Ordering};

type Tracked = Arc<usize>;

fn message(number: usize) -> Tracked {
    Arc::new(number)
}

fn wake_after(flush: Flush, reader: &thread::Thread) {
    if flush == Flush::ReaderAsleep {
        reader.unpark();
    }
}

/// Reads `0..count` in order, sleeping when there is nothing, until the writer has closed.
macro_rules! read_until_closed {
    ($reader:expr, $count:expr) => {
        let mut expected = 0;
        loop {
            while let Some(message) = $reader.read() {
                assert_eq!(*message, expected);
                expected += 1;
            }
            if $reader.is_closed() {
                break;
            }
            if $reader.sleep() {
                thread::park();
            }
        }
        assert_eq!(expected, $count);
    };
}

/// P1: in order, without loss, without duplicates. Chunks change hands, and the spare one comes back.
fn p1_order<const SLOTS: usize>() {
    let (mut writer, mut reader) = queue::<Tracked, SLOTS>(0);
    let this = thread::current();
    let writing = thread::spawn(move || {
        for number in 0..3 {
            writer.write(message(number)).unwrap();
            wake_after(writer.flush(), &this);
        }
        if writer.close() {
            this.unpark();
        }
    });
    read_until_closed!(reader, 3);
    writing.join().unwrap();
}

#[test]
fn loom_p1_order() {
    model(p1_order::<1>);
    model(p1_order::<2>);
}

#[test]
fn loom_p1_order_mutant() {
    assert_mutant_fails(Mutant::PipeFlushRelaxed, p1_order::<1>);
    assert_mutant_fails(Mutant::PipeSpareRelaxed, p1_order::<1>);
}

/// P2: either the reader finds the message, or the flush finds the reader asleep.
fn p2_no_lost_wake() {
    let (mut writer, mut reader) = pipe(0);
    let this = thread::current();
    let writing = thread::spawn(move || {
        writer.write(message(0)).unwrap();
        let flush = writer.flush();
        wake_after(flush, &this);
        (writer, flush)
    });
    let slept = reader.sleep();
    if slept {
        thread::park();
    }
    assert_eq!(reader.read().as_deref(), Some(&0));
    let (_writer, flush) = writing.join().unwrap();
    assert_eq!(flush == Flush::ReaderAsleep, slept);
}

#[test]
fn loom_p2_no_lost_wake() {
    model(p2_no_lost_wake);
}

#[test]
fn loom_p2_no_lost_wake_mutant() {
    assert_mutant_fails(Mutant::PipeSleepBlind, p2_no_lost_wake);
}

/// P3: a batch becomes visible as a whole, and nothing of what was rolled back does, across chunks.
fn p3_batches_are_atomic() {
    let (mut writer, mut reader) = queue::<Tracked, 1>(0);
    let writing = thread::spawn(move || {
        writer.write(message(0)).unwrap();
        let _ = writer.flush();
        writer.write(message(7)).unwrap();
        writer.write(message(8)).unwrap();
        writer.rollback();
        writer.write(message(1)).unwrap();
        writer.write(message(2)).unwrap();
        let _ = writer.flush();
        writer
    });
    let visible = reader.len();
    assert!([0, 1, 3].contains(&visible), "{visible}");
    for expected in 0..visible {
        assert_eq!(reader.read().as_deref(), Some(&expected));
    }
    let _writer = writing.join().unwrap();
    for expected in visible..3 {
        assert_eq!(reader.read().as_deref(), Some(&expected));
    }
    assert!(reader.read().is_none());
}

#[test]
fn loom_p3_batches_are_atomic() {
    model(p3_batches_are_atomic);
}

#[test]
fn loom_p3_batches_are_atomic_mutant() {
    assert_mutant_fails(Mutant::PipeWritePublishes, p3_batches_are_atomic);
    assert_mutant_fails(Mutant::PipeRollbackShort, p3_batches_are_atomic);
}

/// Writes `numbers`, waiting when there is no credit. Returns how often it waited.
fn write_waiting(
    writer: &mut Writer<Tracked>,
    numbers: std::ops::Range<usize>,
    reader: &thread::Thread,
) -> usize {
    let mut waits = 0;
    for number in numbers {
        let mut next = message(number);
        while let Err(refused) = writer.write(next) {
            next = refused;
            if writer.wait_for_credit() {
                waits += 1;
                thread::park();
            }
        }
        wake_after(writer.flush(), reader);
    }
    waits
}

/// P4: never more than `HWM` messages are on their way, and a writer that waits gets one wake.
fn p4_credit<const HWM: usize>() {
    const COUNT: usize = 3;
    let (mut writer, mut reader) = pipe(HWM);
    let this = thread::current();
    // Ghost: reads begun, at least what has been acknowledged.
    let reading = std::sync::Arc::new(AtomicUsize::new(0));
    let begun = reading.clone();
    let writing = thread::spawn(move || {
        let mut waits = 0;
        for number in 0..COUNT {
            waits += write_waiting(&mut writer, number..number + 1, &this);
            assert!(number + 1 - begun.load(Ordering::SeqCst) <= HWM);
        }
        (writer, waits)
    });
    let mut wakes = 0;
    for expected in 0..COUNT {
        while reader.is_empty() {
            if reader.sleep() {
                thread::park();
            }
        }
        reading.fetch_add(1, Ordering::SeqCst);
        assert_eq!(reader.read().as_deref(), Some(&expected));
        if reader.take_writer_wake() {
            wakes += 1;
            writing.thread().unpark();
        }
    }
    let (_writer, waits) = writing.join().unwrap();
    assert_eq!(waits, wakes);
}

#[test]
fn loom_p4_credit() {
    model(p4_credit::<1>);
    model(p4_credit::<2>);
}

#[test]
fn loom_p4_credit_mutant() {
    assert_mutant_fails(Mutant::PipeWaitBlind, p4_credit::<1>);
    assert_mutant_fails(Mutant::PipeAcknowledgeSilent, p4_credit::<1>);
    assert_mutant_fails(Mutant::PipeCreditOverrun, p4_credit::<1>);
}

/// P4: a message that stands for as many as the pipe takes gives all their credit back, whichever half learns of it first.
fn p4_weight() {
    let (mut writer, mut reader) = pipe(3);
    let this = thread::current();
    let writing = thread::spawn(move || {
        write_waiting(&mut writer, 0..1, &this);
        writer.add_weight(2);
        write_waiting(&mut writer, 1..2, &this);
        writer
    });
    for expected in 0..2 {
        while reader.is_empty() {
            if reader.sleep() {
                thread::park();
            }
        }
        assert_eq!(reader.read().as_deref(), Some(&expected));
        reader.add_weight(if expected == 0 { 2 } else { 0 });
        if reader.take_writer_wake() {
            writing.thread().unpark();
        }
    }
    let mut writer = writing.join().unwrap();
    assert_eq!((writer.written(), reader.consumed(), writer.room(3)), (4, 4, 2));
}

#[test]
fn loom_p4_weight() {
    model(p4_weight);
}

#[test]
fn loom_p4_weight_mutant() {
    assert_mutant_fails(Mutant::PipeWeightHeldBack, p4_weight);
}

/// P4: a mark that falls while the reader holds back acknowledgements strands nobody.
fn p4_decrease() {
    let (mut writer, mut reader) = pipe(3);
    let this = thread::current();
    let writing = thread::spawn(move || {
        write_waiting(&mut writer, 0..1, &this);
        writer.set_hwm(1);
        write_waiting(&mut writer, 1..3, &this);
        if writer.close() {
            this.unpark();
        }
    });
    let mut expected = 0;
    while !reader.is_closed() {
        while let Some(message) = reader.read() {
            assert_eq!(*message, expected);
            expected += 1;
            if reader.take_writer_wake() {
                writing.thread().unpark();
            }
        }
        if reader.sleep() {
            thread::park();
        }
    }
    assert_eq!(expected, 3);
    writing.join().unwrap();
}

#[test]
fn loom_p4_decrease() {
    model(p4_decrease);
}

#[test]
fn loom_p4_decrease_mutant() {
    assert_mutant_fails(Mutant::PipeDecreaseWithoutGrace, p4_decrease);
}

/// P5: both halves close at once, with a message unread and one unflushed.
fn p5_close_against_close() {
    let (mut writer, mut reader) = queue::<Tracked, 1>(0);
    for number in 0..2 {
        writer.write(message(number)).unwrap();
        let _ = writer.flush();
    }
    writer.write(message(2)).unwrap();
    assert!(reader.read().is_some());
    let closing = thread::spawn(move || {
        assert!(!writer.close());
        (writer.written(), writer.discarded())
    });
    assert_eq!(reader.close(|_| 1), Closed { writer_waiting: false, discarded: 1 });
    drop(reader);
    assert_eq!(closing.join().unwrap(), (3, 1));
}

/// P5: the reader closes while the writer goes on: each message is read, or dropped by one of the two.
fn p5_close_against_flush() {
    let (mut writer, mut reader) = queue::<Tracked, 1>(0);
    let writing = thread::spawn(move || {
        for number in 0..3 {
            if writer.write(message(number)).is_err() || writer.flush() == Flush::ReaderClosed {
                assert!(writer.is_reader_closed());
                break;
            }
        }
        (writer.written(), writer.discarded())
    });
    drop(reader.read());
    let discarded = reader.close(|_| 1).discarded;
    let consumed = reader.consumed();
    drop(reader);
    let (written, discarded_by_writer) = writing.join().unwrap();
    assert_eq!(written, consumed + discarded + discarded_by_writer);
}

/// P5: the reader closes while the writer waits for credit, or is about to.
fn p5_close_against_waiting_writer() {
    let (mut writer, mut reader) = pipe(1);
    let writing = thread::spawn(move || {
        writer.write(message(0)).unwrap();
        let _ = writer.flush();
        let mut waits = 0;
        while !writer.is_reader_closed() {
            if writer.wait_for_credit() {
                waits += 1;
                thread::park();
            }
        }
        assert!(waits <= 1);
        assert!(writer.write(message(1)).is_err());
    });
    if reader.close().writer_waiting {
        writing.thread().unpark();
    }
    drop(reader);
    writing.join().unwrap();
}

/// P5: the writer closes while the reader sleeps, or is about to.
fn p5_close_against_sleeping_reader() {
    let (mut writer, mut reader) = pipe::<Tracked>(1);
    let this = thread::current();
    let closing = thread::spawn(move || {
        let asleep = writer.close();
        if asleep {
            this.unpark();
        }
        asleep
    });
    let slept = reader.sleep();
    if slept {
        thread::park();
    }
    assert!(reader.is_closed());
    assert_eq!(closing.join().unwrap(), slept);
}

#[test]
fn loom_p5_close() {
    model(p5_close_against_close);
    model(p5_close_against_flush);
    model(p5_close_against_waiting_writer);
    model(p5_close_against_sleeping_reader);
}

#[test]
fn loom_p5_close_mutant() {
    assert_mutant_fails(Mutant::PipeCloseStale, p5_close_against_flush);
    assert_mutant_fails(Mutant::PipeCloseSilent, p5_close_against_waiting_writer);
    assert_mutant_fails(Mutant::PipeCloseLeavesSleeper, p5_close_against_sleeping_reader);
}

/// P7: what is read only gets newer, the last message arrives, and no slot is touched by both halves.
fn p7_last_value_wins() {
    const COUNT: usize = 4;
    let (mut writer, mut reader) = conflating();
    let this = thread::current();
    let writing = thread::spawn(move || {
        for number in 1..=COUNT {
            writer.write(message(number)).unwrap();
            wake_after(writer.flush(), &this);
        }
        if writer.close() {
            this.unpark();
        }
        (writer.written(), writer.replaced())
    });
    let mut last = 0;
    while !reader.is_closed() {
        while let Some(message) = reader.read() {
            assert!(last < *message);
            last = *message;
        }
        if reader.sleep() {
            thread::park();
        }
    }
    assert_eq!(last, COUNT);
    let (written, replaced) = writing.join().unwrap();
    assert_eq!(written, reader.consumed() + replaced);
}

/// P7: a slot comes back to the writer, which touches it only after the reader has let go.
fn p7_slots_come_back() {
    let (mut writer, mut reader) = conflating();
    writer.write(message(0)).unwrap();
    let _ = writer.flush();
    let writing = thread::spawn(move || {
        for number in 1..4 {
            writer.write(message(number)).unwrap();
            let _ = writer.flush();
        }
        writer
    });
    let first = reader.read();
    let second = reader.read();
    let _writer = writing.join().unwrap();
    assert_eq!(reader.read().or(second).or(first).as_deref(), Some(&3));
}

/// P7 and P5: the reader closes while the writer goes on.
fn p7_close_against_flush() {
    let (mut writer, mut reader) = conflating();
    let writing = thread::spawn(move || {
        for number in 0..2 {
            if writer.write(message(number)).is_err() || writer.flush() == Flush::ReaderClosed {
                break;
            }
        }
        (writer.written(), writer.discarded() + writer.replaced())
    });
    drop(reader.read());
    let gone = reader.close().discarded + reader.consumed();
    drop(reader);
    let (written, gone_by_writer) = writing.join().unwrap();
    assert_eq!(written, gone + gone_by_writer);
}

#[test]
fn loom_p7_conflate() {
    model(p7_last_value_wins);
    model(p7_slots_come_back);
    model(p7_close_against_flush);
}

#[test]
fn loom_p7_conflate_mutant() {
    assert_mutant_fails(Mutant::ConflateFlushRelaxed, p7_last_value_wins);
    assert_mutant_fails(Mutant::ConflateReadRelaxed, p7_slots_come_back);
    assert_mutant_fails(Mutant::ConflateSleepBlind, p7_last_value_wins);
}
