//! What the I/O side and the peers in this process tell a socket.

use crate::link::{Inlet, Outlet};
use crate::peer::Peer;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutant, Mutex, lock, mutant};
use crate::waiter::Waiter;
use std::sync::Arc;

/// The name of a pipe within its socket: small, dense, reused only after both of its ends are gone.
pub type PipeId = usize;

/// One piece of news about a pipe, in the order it happened. What is seldom in it is boxed: most say that there is something
/// to read.
#[derive(Debug)]
#[non_exhaustive]
pub enum PipeEvent {
    /// A pipe to send into. `peer` is `None` while the endpoint is still being connected.
    Outlet(Box<Outlet>, Option<Arc<Peer>>),
    /// A pipe to receive from.
    Inlet(Box<Inlet>, Option<Arc<Peer>>),
    /// A pipe whose reader slept has messages, or has ended.
    Readable(PipeId),
    /// A pipe that was full has room again.
    Writable(PipeId),
    /// The connection behind the pipe is up; the peer may be another one than before.
    Up(PipeId, Arc<Peer>),
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
        self.deliver(news, |_, _| ());
    }

    /// `make_room` may remove what the news makes old, if that does nothing when it is dropped.
    fn deliver(&self, news: T, make_room: impl FnOnce(&mut Vec<T>, &T)) {
        let mut inside = lock(&self.inside);
        if inside.closed {
            // Dropping news may post elsewhere, so never with the lock held.
            drop(inside);
            drop(news);
            return;
        }
        make_room(&mut inside.news, &news);
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
    /// Delivers `Up` or `Down` in place of what that makes old: a socket that does not look while its connection is lost
    /// and made again, time after time, finds at most the last loss and the last peer.
    pub(crate) fn post_state(&self, news: PipeEvent) {
        self.deliver(news, |all, news| all.retain(|old| !news.makes_old(old)));
    }

    /// Takes back everything about a pipe of which the socket has heard nothing yet, if the pipe has ended and nothing is in
    /// it: peers that come and go while the application looks elsewhere leave nothing. News of what there is to receive
    /// is in `incoming`, other news in `outgoing`.
    pub(crate) fn withdraw(incoming: &Mailbox, outgoing: &Mailbox, id: PipeId) {
        let is_outlet = |news: &mut PipeEvent| matches!(news, PipeEvent::Outlet(end, _) if end.id() == id);
        let is_ended_inlet = |news: &mut PipeEvent| match news {
            PipeEvent::Inlet(end, _) => end.id() == id && end.is_finished(),
            _ => false,
        };
        Mailbox::withdraw_if(incoming, outgoing, is_ended_inlet, is_outlet, |news| news.pipe() == id);
    }
}

impl<T> Mailbox<T> {
    /// Takes `withdrawn` news back from both mailboxes, if both ends of a pipe are there still.
    fn withdraw_if(
        incoming: &Mailbox<T>,
        outgoing: &Mailbox<T>,
        is_inlet: impl FnMut(&mut T) -> bool,
        is_outlet: impl FnMut(&mut T) -> bool,
        withdrawn: impl Fn(&T) -> bool,
    ) {
        // Both at once, so that the socket gets both ends of a pipe or none.
        let (mut inlets, mut outlets) = (lock(&incoming.inside), lock(&outgoing.inside));
        let has_outlet = mutant(Mutant::MailboxWithdrawsHalf) || outlets.news.iter_mut().any(is_outlet);
        if !(has_outlet && inlets.news.iter_mut().any(is_inlet)) {
            return;
        }
        let mut gone = Vec::new();
        for (mailbox, inside) in [(incoming, &mut inlets), (outgoing, &mut outlets)] {
            while let Some(index) = inside.news.iter().position(&withdrawn) {
                gone.push(inside.news.remove(index));
            }
            mailbox.pending.store(!inside.news.is_empty(), Ordering::Release);
        }
        // Dropping news may post elsewhere, so never with a lock held.
        drop((inlets, outlets));
        drop(gone);
    }
}

impl PipeEvent {
    /// Whether `old` need not be heard of any more. A loss is heard of, though the connection is up again: what was under
    /// way then does not come.
    fn makes_old(&self, old: &PipeEvent) -> bool {
        match (self, old) {
            (PipeEvent::Up(id, _), PipeEvent::Up(other, _))
            | (PipeEvent::Down(id), PipeEvent::Up(other, _) | PipeEvent::Down(other)) => id == other,
            _ => false,
        }
    }

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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_does_not_look_finds_the_last_loss_and_the_last_peer() {
        let mailbox = Mailbox::<PipeEvent>::new(Arc::default());
        let peer = |address: u32| Arc::new(Peer { address: address.to_string(), ..Peer::default() });
        mailbox.post_state(PipeEvent::Up(7, peer(0)));
        mailbox.post(PipeEvent::Writable(1));
        for number in 1..1000 {
            mailbox.post_state(PipeEvent::Down(1));
            mailbox.post_state(PipeEvent::Up(1, peer(number)));
        }
        mailbox.post(PipeEvent::Readable(1));
        let mut news = Vec::new();
        mailbox.take(&mut news);
        let [
            PipeEvent::Up(7, other),
            PipeEvent::Writable(1),
            PipeEvent::Down(1),
            PipeEvent::Up(1, last),
            PipeEvent::Readable(1),
        ] = &news[..]
        else {
            panic!("{news:?}")
        };
        assert_eq!((other.address.as_str(), last.address.as_str()), ("0", "999"));
    }

    #[test]
    fn a_loss_makes_the_peer_old() {
        let mailbox = Mailbox::<PipeEvent>::new(Arc::default());
        mailbox.post_state(PipeEvent::Up(1, Arc::default()));
        mailbox.post_state(PipeEvent::Down(1));
        let mut news = Vec::new();
        mailbox.take(&mut news);
        assert!(matches!(news[..], [PipeEvent::Down(1)]), "{news:?}");
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

    /// M2: the socket gets both ends of a pipe or neither, and whatever is about another pipe, though the pipe is withdrawn
    /// while it looks.
    fn both_ends_or_none() {
        const OTHER: u8 = 0;
        const OUTLET: u8 = 1;
        const INLET: u8 = 2;
        let mailboxes = Arc::new([Mailbox::<u8>::default(), Mailbox::default()]);
        let theirs = mailboxes.clone();
        let connection = thread::spawn(move || {
            let [incoming, outgoing] = &*theirs;
            outgoing.post(OTHER);
            outgoing.post(OUTLET);
            incoming.post(INLET);
            Mailbox::withdraw_if(
                incoming,
                outgoing,
                |news| *news == INLET,
                |news| *news == OUTLET,
                |news| *news != OTHER,
            );
        });
        let mut got = Vec::new();
        // As `SocketBase::take_events`.
        let mut look = || mailboxes.iter().for_each(|mailbox| mailbox.take(&mut got));
        look();
        connection.join().unwrap();
        let pending = mailboxes.iter().map(Mailbox::is_pending).collect::<Vec<_>>();
        look();
        let count = |wanted| got.iter().filter(|news| **news == wanted).count();
        assert_eq!((count(OTHER), count(OUTLET)), (1, count(INLET)));
        assert!(pending[0] <= (count(INLET) == 1), "the mailbox says that there is news, and there is none");
    }

    #[test]
    fn loom_m2_withdraw() {
        loom::model(both_ends_or_none);
    }

    #[test]
    fn loom_m2_withdraw_mutant() {
        assert_mutant_fails(Mutant::MailboxWithdrawsHalf, both_ends_or_none);
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
