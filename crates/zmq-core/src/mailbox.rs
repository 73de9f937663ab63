//! What the I/O side and the peers in this process tell a socket.

use crate::link::{Inlet, Outlet};
use crate::peer::Peer;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutant, Mutex, lock, mutant};
use crate::waiter::Waiter;
use std::sync::Arc;

/// The name of a pipe within its socket: small, dense, reused only after both of its ends are gone.
pub type PipeId = usize;

/// One piece of news about a pipe, in the order it happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum PipeEvent {
    /// A pipe to send into. `peer` is `None` while the endpoint is still being connected.
    Outlet(Outlet, Option<Peer>),
    /// A pipe to receive from.
    Inlet(Inlet, Option<Peer>),
    /// A pipe whose reader slept has messages, or has ended.
    Readable(PipeId),
    /// A pipe that was full has room again.
    Writable(PipeId),
    /// The connection behind the pipe is up; the peer may be another one than before.
    Up(PipeId, Peer),
    /// The connection behind the pipe is lost; it is being made again.
    Down(PipeId),
    /// Nothing that is sent into the pipe will be read any more.
    Closed(PipeId),
}

/// A queue of news with many senders and one receiver, and the waiter to wake.
#[derive(Default)]
pub(crate) struct Mailbox<T = PipeEvent> {
    /// Whether `inside.news` has anything. Changed only with `inside` locked.
    pending: AtomicBool,
    inside: Mutex<Inside<T>>,
}

struct Inside<T> {
    news: Vec<T>,
    /// Woken by every post: the owner, and whoever else watches.
    waiter: Arc<Waiter>,
    watchers: Vec<Arc<Waiter>>,
    /// The receiver is gone: news is dropped.
    closed: bool,
}

impl<T> Default for Inside<T> {
    fn default() -> Self {
        Inside { news: Vec::new(), waiter: Arc::default(), watchers: Vec::new(), closed: false }
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn new(waiter: Arc<Waiter>) -> Self {
        let inside = Inside { news: Vec::new(), waiter, watchers: Vec::new(), closed: false };
        Mailbox { pending: AtomicBool::new(false), inside: Mutex::new(inside) }
    }

    /// Delivers one piece of news and wakes the receiver.
    pub(crate) fn post(&self, news: T) {
        let mut inside = lock(&self.inside);
        if inside.closed {
            // Dropping news may post elsewhere, so never with the lock held.
            drop(inside);
            drop(news);
            return;
        }
        inside.news.push(news);
        self.pending.store(true, Ordering::Release);
        if !mutant(Mutant::MailboxPostSilent) {
            inside.wake();
        }
    }

    /// Wakes the receiver without news, so that it looks at something else (termination).
    pub(crate) fn nudge(&self) {
        lock(&self.inside).wake();
    }

    /// Whether there is news.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Moves all news to the end of `into`.
    pub(crate) fn take(&self, into: &mut Vec<T>) {
        let mut inside = lock(&self.inside);
        into.append(&mut inside.news);
        self.pending.store(false, Ordering::Release);
    }

    /// Drops all news, now and from now on.
    pub(crate) fn close(&self) {
        let mut inside = lock(&self.inside);
        inside.closed = true;
        let news = std::mem::take(&mut inside.news);
        self.pending.store(false, Ordering::Release);
        drop(inside);
        drop(news);
    }

    /// From now on another waiter is woken (a socket that was split).
    pub(crate) fn set_waiter(&self, waiter: Arc<Waiter>) {
        let mut inside = lock(&self.inside);
        inside.waiter = waiter;
        if !inside.news.is_empty() {
            inside.wake();
        }
    }

    /// From now on this waiter is woken too (a poller).
    pub(crate) fn add_watcher(&self, watcher: &Arc<Waiter>) {
        lock(&self.inside).watchers.push(watcher.clone());
    }

    /// And no longer.
    pub(crate) fn remove_watcher(&self, watcher: &Arc<Waiter>) {
        lock(&self.inside).watchers.retain(|other| !Arc::ptr_eq(other, watcher));
    }
}

impl Mailbox {
    /// Takes back everything about a pipe of which the socket has heard nothing yet, if the pipe has ended and nothing is in
    /// it: peers that come and go while the application looks elsewhere leave nothing. News of what there is to receive
    /// is in `incoming`, other news in `outgoing`.
    pub(crate) fn withdraw(incoming: &Mailbox, outgoing: &Mailbox, id: PipeId) {
        // Both at once, so that the socket gets both ends of a pipe or none.
        let (mut inlets, mut outlets) = (lock(&incoming.inside), lock(&outgoing.inside));
        let has_outlet =
            outlets.news.iter().any(|news| matches!(news, PipeEvent::Outlet(end, _) if end.id() == id));
        let has_ended_inlet = inlets.news.iter_mut().any(|news| match news {
            PipeEvent::Inlet(end, _) => end.id() == id && end.is_finished(),
            _ => false,
        });
        if !(has_outlet && has_ended_inlet) {
            return;
        }
        let mut withdrawn = Vec::new();
        for (mailbox, inside) in [(incoming, &mut inlets), (outgoing, &mut outlets)] {
            while let Some(index) = inside.news.iter().position(|news| news.pipe() == id) {
                withdrawn.push(inside.news.remove(index));
            }
            mailbox.pending.store(!inside.news.is_empty(), Ordering::Release);
        }
        // Dropping news may post elsewhere, so never with a lock held.
        drop((inlets, outlets));
        drop(withdrawn);
    }
}

impl PipeEvent {
    /// Which pipe it is about.
    fn pipe(&self) -> PipeId {
        match self {
            PipeEvent::Outlet(end, _) => end.id(),
            PipeEvent::Inlet(end, _) => end.id(),
            PipeEvent::Readable(id)
            | PipeEvent::Writable(id)
            | PipeEvent::Up(id, _)
            | PipeEvent::Down(id)
            | PipeEvent::Closed(id) => *id,
        }
    }
}

impl<T> Inside<T> {
    fn wake(&self) {
        self.waiter.wake();
        self.watchers.iter().for_each(|watcher| watcher.wake());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::{assert_mutant_fails, thread};
    use crate::waiter::Sleeper;

    /// M1-M4: two senders, one receiver that sleeps in between: nothing is lost, each sender's order is kept.
    fn two_senders() {
        let waiter = Arc::new(Waiter::default());
        let mailbox = Arc::new(Mailbox::new(waiter.clone()));
        let senders = [10, 20].map(|base| {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                mailbox.post(base);
                if base == 10 {
                    mailbox.post(base + 1);
                }
            })
        });
        let me = Sleeper::Thread(thread::current());
        let mut got = Vec::new();
        while got.len() < 3 {
            if mailbox.is_pending() {
                mailbox.take(&mut got);
            } else if waiter.begin(&me) {
                waiter.park(None);
                waiter.end();
            }
        }
        let tens: Vec<_> = got.iter().filter(|n| **n < 20).collect();
        assert_eq!((tens, got.contains(&20)), (vec![&10, &11], true));
        for sender in senders {
            sender.join().unwrap();
        }
    }

    /// T1: a receiver that waits for ever learns that it was terminated, whenever that happens.
    fn termination_is_seen() {
        let waiter = Arc::new(Waiter::default());
        let shared = Arc::new((Mailbox::<u8>::new(waiter.clone()), AtomicBool::new(false)));
        let other = shared.clone();
        let terminator = thread::spawn(move || {
            if mutant(Mutant::TerminateNudgesFirst) {
                other.0.nudge();
                other.1.store(true, Ordering::Release);
            } else {
                other.1.store(true, Ordering::Release);
                other.0.nudge();
            }
        });
        let me = Sleeper::Thread(thread::current());
        while !shared.1.load(Ordering::Acquire) {
            if waiter.begin(&me) {
                waiter.park(None);
                waiter.end();
            }
        }
        terminator.join().unwrap();
    }

    #[test]
    fn loom_t1_terminate() {
        loom::model(termination_is_seen);
    }

    #[test]
    fn loom_t1_terminate_mutant() {
        assert_mutant_fails(Mutant::TerminateNudgesFirst, termination_is_seen);
    }

    #[test]
    fn loom_m1_mailbox() {
        loom::model(two_senders);
    }

    #[test]
    fn loom_m1_mailbox_mutant() {
        assert_mutant_fails(Mutant::MailboxPostSilent, two_senders);
    }
}
