//! Waiting for sockets and descriptors at once (`zmq_poll`, `zmq_poller_wait`). While a thread waits it does the input and
//! output of its sockets.

use crate::error::{Errno, Result};
use crate::socket::{POLLERR, POLLIN, POLLOUT, POLLPRI, Slot};
use nix::libc;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_short};
use std::time::{Duration, Instant};
use zmq::{Process, Wanted, Watcher};

/// What is waited for.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Socket(&'static Slot),
    Descriptor(c_int),
}

#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) what: What,
    /// `POLLIN`, `POLLOUT`, ...
    pub(crate) wanted: c_short,
}

/// Asks the system what is ready, without waiting.
pub(crate) type AskSystem = fn(&mut [libc::pollfd]) -> Result<()>;

/// A watcher that is kept from one wait to the next: most are for the same sockets.
#[derive(Default)]
pub(crate) struct Watch {
    watcher: Option<Watcher>,
    members: Vec<Member>,
    process: Option<Process>,
}

struct Member {
    slot: &'static Slot,
    generation: u64,
    number: usize,
}

/// Waits until something of what is wanted can be done, at most `timeout`. Writes what can be done into `found`, which has a
/// place for each item, and returns for how many there is something.
///
/// # Errors
/// `ETERM`, `EINTR`, `ENOTSOCK`.
pub(crate) fn wait(
    items: &[Item],
    found: &mut [c_short],
    timeout: Option<Duration>,
    watch: &mut Watch,
    ask: AskSystem,
) -> Result<usize> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut count = look(items, found, ask)?;
    // What came before a socket was a member has woken nobody.
    if count == 0 && watch.follow(items)? {
        count = look(items, found, ask)?;
    }
    if count > 0 {
        return look_for_input(items, found, count);
    }
    loop {
        watch.wait(items, deadline)?;
        let count = look(items, found, ask)?;
        if count > 0 || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(count);
        }
        if watch.was_interrupted() {
            return Err(Errno::EINTR);
        }
    }
}

/// What is known to be ready.
fn look(items: &[Item], found: &mut [c_short], ask: AskSystem) -> Result<usize> {
    let mut descriptors = Vec::new();
    for (item, found) in items.iter().zip(found.iter_mut()) {
        *found = match item.what {
            What::Socket(slot) => match slot.try_use().as_deref_mut() {
                Some(Some(socket)) => socket.events_so_far()? & item.wanted,
                Some(None) => return Err(Errno::ENOTSOCK),
                // Another thread is using it, and takes what there is.
                None => 0,
            },
            What::Descriptor(descriptor) => {
                descriptors.push(libc::pollfd {
                    fd: descriptor,
                    events: system_events(item.wanted),
                    revents: 0,
                });
                0
            }
        };
    }
    if !descriptors.is_empty() {
        ask(&mut descriptors)?;
        let places =
            items.iter().zip(found.iter_mut()).filter(|(item, _)| matches!(item.what, What::Descriptor(_)));
        for ((_, found), descriptor) in places.zip(descriptors) {
            *found = our_events(descriptor.revents);
        }
    }
    Ok(ready(found))
}

/// For how many there is something.
fn ready(found: &[c_short]) -> usize {
    found.iter().filter(|found| **found != 0).count()
}

/// Who can always send would never look whether there is something to receive.
fn look_for_input(items: &[Item], found: &mut [c_short], count: usize) -> Result<usize> {
    if found.iter().any(|found| *found & POLLIN != 0) {
        return Ok(count);
    }
    for (item, found) in items.iter().zip(found.iter_mut()) {
        let What::Socket(slot) = item.what else { continue };
        // None of them can receive, as far as is known.
        if item.wanted & POLLIN != 0
            && let Some(Some(socket)) = slot.try_use().as_deref_mut()
        {
            *found = socket.events()? & item.wanted;
        }
    }
    Ok(ready(found))
}

impl Watch {
    /// Makes the sockets of the items the members of the watcher. Returns whether there are others than before.
    fn follow(&mut self, items: &[Item]) -> Result<bool> {
        // A child of the process that made the watcher gets one of its own.
        if !self.process.is_some_and(Process::is_current) {
            *self = Watch { process: Some(Process::current()), ..Watch::default() };
        }
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => {
                let mut watcher = Watcher::new()?;
                watcher.set_interruptible(true);
                none.insert(watcher)
            }
        };
        follow(&mut self.members, watcher, items)
    }

    fn wait(&mut self, items: &[Item], deadline: Option<Instant>) -> Result<()> {
        let Some(watcher) = &mut self.watcher else { return Ok(()) };
        let descriptors = add_descriptors(watcher, items)?;
        let waited = watcher.wait(deadline).map(drop);
        for number in descriptors {
            watcher.remove(number);
        }
        waited.map_err(Errno::from)
    }

    fn was_interrupted(&self) -> bool {
        self.watcher.as_ref().is_some_and(Watcher::was_interrupted)
    }
}

/// Makes the sockets of the items the members of the watcher. Returns whether there are others than before.
fn follow(members: &mut Vec<Member>, watcher: &mut Watcher, items: &[Item]) -> Result<bool> {
    let sockets = || {
        items.iter().filter_map(|item| match item.what {
            What::Socket(slot) => Some(slot),
            What::Descriptor(_) => None,
        })
    };
    let is_it = |member: &Member, slot: &Slot| {
        std::ptr::eq(member.slot, slot) && member.generation == slot.generation()
    };
    let same = sockets().count() == members.len()
        && sockets().zip(members.iter()).all(|(slot, member)| is_it(member, slot));
    if same {
        return Ok(false);
    }
    let mut before = std::mem::take(members);
    for slot in sockets() {
        if members.iter().any(|member| is_it(member, slot)) {
            continue;
        }
        match before.iter().position(|member| is_it(member, slot)) {
            Some(index) => members.push(before.swap_remove(index)),
            None => {
                let generation = slot.generation();
                let mut using = slot.use_it();
                let socket = using.as_mut().ok_or(Errno::ENOTSOCK)?;
                let number = socket.any.join(watcher)?;
                members.push(Member { slot, generation, number });
            }
        }
    }
    for gone in before {
        watcher.remove(gone.number);
    }
    Ok(true)
}

/// For the time of one wait: between waits a descriptor may be closed, and its number become another's.
fn add_descriptors(watcher: &mut Watcher, items: &[Item]) -> Result<Vec<usize>> {
    let mut wanted = BTreeMap::<c_int, c_short>::new();
    for item in items {
        if let What::Descriptor(descriptor) = item.what {
            *wanted.entry(descriptor).or_default() |= item.wanted;
        }
    }
    let mut added = Vec::with_capacity(wanted.len());
    for (descriptor, events) in wanted {
        let wanted = Wanted {
            readable: events & POLLIN != 0,
            writable: events & POLLOUT != 0,
            urgent: events & POLLPRI != 0,
        };
        // Files and what is no descriptor cannot be waited for; the system says of them at once what is to be said.
        if let Ok(number) = watcher.add_descriptor_for(descriptor, wanted) {
            added.push(number);
        }
    }
    Ok(added)
}

fn system_events(ours: c_short) -> c_short {
    let pairs = [(POLLIN, libc::POLLIN), (POLLOUT, libc::POLLOUT), (POLLPRI, libc::POLLPRI)];
    pairs.iter().filter(|(our, _)| ours & our != 0).fold(0, |all, (_, system)| all | system)
}

fn our_events(system: c_short) -> c_short {
    let pairs = [(POLLIN, libc::POLLIN), (POLLOUT, libc::POLLOUT), (POLLPRI, libc::POLLPRI)];
    let known = pairs.iter().filter(|(_, theirs)| system & theirs != 0).fold(0, |all, (our, _)| all | our);
    let others = system & !(libc::POLLIN | libc::POLLOUT | libc::POLLPRI);
    if others == 0 { known } else { known | POLLERR }
}

/// -1 = without limit.
pub(crate) fn timeout(milliseconds: i64) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}
