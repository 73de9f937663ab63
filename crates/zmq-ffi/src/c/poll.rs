//! Waiting for sockets and descriptors.

use super::exported;
use crate::error::{Errno, Result};
use crate::handles::Handles;
use crate::polling::{self, Item, Watch, What};
use crate::socket::{self, POLLERR, POLLIN, POLLOUT, POLLPRI, Slot};
use nix::libc;
use std::cell::RefCell;
use std::ffi::{c_int, c_long, c_short, c_void};
use std::sync::Mutex;

/// What `zmq_poll` waits for.
#[repr(C)]
pub struct PollItem {
    /// A socket, or null for a descriptor.
    pub socket: *mut c_void,
    /// The descriptor.
    pub fd: c_int,
    /// What to wait for.
    pub events: c_short,
    /// What has come.
    pub revents: c_short,
}

/// What `zmq_poller_wait` reports.
#[repr(C)]
pub struct PollerEvent {
    /// A socket, or null for a descriptor.
    pub socket: *mut c_void,
    /// The descriptor.
    pub fd: c_int,
    /// What the program gave when it added it.
    pub user_data: *mut c_void,
    /// What has come.
    pub events: c_short,
}

/// What a poller waits for, and what it says of it.
#[derive(Default)]
struct Poller {
    entries: Vec<Entry>,
    watch: Watch,
}

struct Entry {
    item: Item,
    user_data: UserData,
}

/// The program's, of which nothing is known.
struct UserData(*mut c_void);

// SAFETY: it is only given back, never read.
unsafe impl Send for UserData {}

static POLLERS: Handles<Mutex<Option<Poller>>> = Handles::new();

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

/// What the system says of descriptors now.
fn ask(descriptors: &mut [libc::pollfd]) -> Result<()> {
    // SAFETY: so many entries.
    match unsafe { libc::poll(descriptors.as_mut_ptr(), descriptors.len() as libc::nfds_t, 0) } {
        -1 => Err(Errno(Errno::get())),
        _ => Ok(()),
    }
}

fn poll(items: &mut [PollItem], timeout: c_long) -> Result<c_int> {
    let mut waiting = Vec::with_capacity(items.len());
    for item in items.iter() {
        let what = match item.socket.is_null() {
            true => What::Descriptor(item.fd),
            false => What::Socket(socket::find(item.socket)?),
        };
        waiting.push(Item { what, wanted: item.events });
    }
    let mut found = vec![0; items.len()];
    let mut wait =
        |watch: &mut Watch| polling::wait(&waiting, &mut found, polling::timeout(timeout), watch, ask);
    // Not while the thread ends and its watch is gone.
    let count = WATCH
        .try_with(|watch| wait(&mut watch.borrow_mut()))
        .unwrap_or_else(|_| wait(&mut Watch::default()))?;
    for (item, found) in items.iter_mut().zip(found) {
        item.revents = found;
    }
    Ok(count as c_int)
}

impl Poller {
    fn find(&mut self, what: What) -> Option<usize> {
        self.entries.iter().position(|entry| match (entry.item.what, what) {
            (What::Socket(one), What::Socket(other)) => std::ptr::eq(one, other),
            (What::Descriptor(one), What::Descriptor(other)) => one == other,
            _ => false,
        })
    }

    fn add(&mut self, what: What, user_data: *mut c_void, wanted: c_short) -> Result<()> {
        if unknown(wanted) || self.find(what).is_some() {
            return Err(Errno::EINVAL);
        }
        self.entries.push(Entry { item: Item { what, wanted }, user_data: UserData(user_data) });
        Ok(())
    }

    fn modify(&mut self, what: What, wanted: c_short) -> Result<()> {
        let index = self.find(what).filter(|_| !unknown(wanted)).ok_or(Errno::EINVAL)?;
        self.entries[index].item.wanted = wanted;
        Ok(())
    }

    fn remove(&mut self, what: What) -> Result<()> {
        let index = self.find(what).ok_or(Errno::EINVAL)?;
        self.entries.remove(index);
        Ok(())
    }

    /// Returns how many were written to `events`.
    fn wait(&mut self, events: &mut [PollerEvent], timeout: c_long) -> Result<usize> {
        // There is nothing that could end the wait.
        if self.entries.is_empty() && timeout < 0 {
            return Err(Errno::EFAULT);
        }
        let items: Vec<Item> = self.entries.iter().map(|entry| entry.item).collect();
        let mut found = vec![0; items.len()];
        let timeout = polling::timeout(timeout);
        if polling::wait(&items, &mut found, timeout, &mut self.watch, ask)? == 0 {
            return Err(Errno::EAGAIN);
        }
        let ready = self.entries.iter().zip(found).filter(|(_, found)| *found != 0);
        let mut count = 0;
        for (event, (entry, found)) in events.iter_mut().zip(ready) {
            let (socket, fd) = match entry.item.what {
                What::Socket(slot) => (Handles::<Slot>::handle(slot), -1),
                What::Descriptor(fd) => (std::ptr::null_mut(), fd),
            };
            *event = PollerEvent { socket, fd, user_data: entry.user_data.0, events: found };
            count += 1;
        }
        Ok(count)
    }
}

/// Events that there are not. (`zmq_poll` pays no heed to them.)
fn unknown(events: c_short) -> bool {
    events & !(POLLIN | POLLOUT | POLLERR | POLLPRI) != 0
}

fn descriptor(fd: c_int) -> Result<What> {
    if fd < 0 { Err(Errno(libc::EBADF)) } else { Ok(What::Descriptor(fd)) }
}

/// A socket that is open.
fn open(handle: *const c_void) -> Result<What> {
    socket::with(handle, |_| Ok(()))?;
    socket::find(handle).map(What::Socket)
}

/// A socket, open or not.
fn known(handle: *const c_void) -> Result<What> {
    socket::find(handle).map(What::Socket)
}

exported! {
    /// Waits until one of the items is ready, at most `timeout` milliseconds; -1 = without limit.
    fn zmq_poll(items: *mut PollItem, count: c_int, timeout: c_long) -> c_int, or -1, {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let items = match (items.is_null(), count) {
            (_, 0) => &mut [],
            (true, _) => return Err(Errno::EFAULT),
            // SAFETY: so many items.
            (false, _) => unsafe { std::slice::from_raw_parts_mut(items, count) },
        };
        poll(items, timeout)
    }

    /// As `zmq_poll`, if there is no mask; `ENOTSUP` if there is.
    fn zmq_ppoll(
        items: *mut PollItem,
        count: c_int,
        timeout: c_long,
        mask: *const libc::sigset_t,
    ) -> c_int, or -1, {
        if !mask.is_null() {
            return Err(Errno::ENOTSUP);
        }
        // SAFETY: as the caller says.
        Ok(unsafe { zmq_poll(items, count, timeout) })
    }

    /// A poller of nothing.
    fn zmq_poller_new() -> *mut c_void, or std::ptr::null_mut(), {
        POLLERS.insert(Poller::default()).ok_or(Errno::ENOMEM)
    }

    /// Ends it; the place of the handle is null then.
    fn zmq_poller_destroy(poller: *mut *mut c_void) -> c_int, or -1, {
        // SAFETY: a place of a handle, unless it is null.
        let place = unsafe { poller.as_mut() }.ok_or(Errno::EFAULT)?;
        drop(POLLERS.remove(*place)?);
        *place = std::ptr::null_mut();
        Ok(0)
    }

    /// How many it waits for.
    fn zmq_poller_size(poller: *mut c_void) -> c_int, or -1, {
        POLLERS.with(poller, |poller| Ok(poller.entries.len() as c_int))
    }

    /// Waits for a socket too.
    fn zmq_poller_add(
        poller: *mut c_void,
        socket: *mut c_void,
        user_data: *mut c_void,
        events: c_short,
    ) -> c_int, or -1, {
        POLLERS.with(poller, |poller| poller.add(open(socket)?, user_data, events).map(|()| 0))
    }

    /// Waits for other events of it.
    fn zmq_poller_modify(poller: *mut c_void, socket: *mut c_void, events: c_short) -> c_int, or -1, {
        POLLERS.with(poller, |poller| poller.modify(open(socket)?, events).map(|()| 0))
    }

    /// Waits for it no more.
    fn zmq_poller_remove(poller: *mut c_void, socket: *mut c_void) -> c_int, or -1, {
        POLLERS.with(poller, |poller| poller.remove(known(socket)?).map(|()| 0))
    }

    /// Waits for a descriptor too.
    fn zmq_poller_add_fd(
        poller: *mut c_void,
        fd: c_int,
        user_data: *mut c_void,
        events: c_short,
    ) -> c_int, or -1, {
        POLLERS.with(poller, |poller| poller.add(descriptor(fd)?, user_data, events).map(|()| 0))
    }

    /// Waits for other events of it.
    fn zmq_poller_modify_fd(poller: *mut c_void, fd: c_int, events: c_short) -> c_int, or -1, {
        POLLERS.with(poller, |poller| poller.modify(descriptor(fd)?, events).map(|()| 0))
    }

    /// Waits for it no more.
    fn zmq_poller_remove_fd(poller: *mut c_void, fd: c_int) -> c_int, or -1, {
        POLLERS.with(poller, |poller| poller.remove(descriptor(fd)?).map(|()| 0))
    }

    /// Waits until something is ready, and reports one of what is.
    fn zmq_poller_wait(poller: *mut c_void, event: *mut PollerEvent, timeout: c_long) -> c_int, or -1, {
        if event.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: a place for one event.
        let events = unsafe { std::slice::from_raw_parts_mut(event, 1) };
        let waited = POLLERS.with(poller, |poller| poller.wait(events, timeout).map(|_| 0));
        if waited.is_err() {
            events[0] =
                PollerEvent { socket: std::ptr::null_mut(), fd: -1, user_data: std::ptr::null_mut(), events: 0 };
        }
        waited
    }

    /// Waits until something is ready, and reports all that is, at most `count`. Returns how many.
    fn zmq_poller_wait_all(
        poller: *mut c_void,
        events: *mut PollerEvent,
        count: c_int,
        timeout: c_long,
    ) -> c_int, or -1, {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        if events.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: places for so many events.
        let events = unsafe { std::slice::from_raw_parts_mut(events, count) };
        POLLERS.with(poller, |poller| poller.wait(events, timeout).map(|count| count as c_int))
    }

    /// Only pollers of sockets for many threads have a descriptor, and there are none.
    fn zmq_poller_fd(_poller: *mut c_void, _fd: *mut c_int) -> c_int, or -1, {
        Err(Errno::EINVAL)
    }
}
