//! What a socket's own thread, its connections and its peers in this process share.

use crate::context::ContextShared;
use crate::link::PipeKey;
use crate::mailbox::{Mailbox, PipeId};
use crate::monitor::{Event, Hub};
use crate::options::Options;
use crate::settings::Settings;
use crate::socket_type::SocketType;
use crate::stats::Counters;
use crate::subscriptions::Subscriptions;
use crate::sync::{Mutex, lock};
use crate::waiter::Waiter;
use slab::Slab;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

pub(crate) struct SocketShared {
    pub(crate) socket_type: SocketType,
    /// What endpoints that are made now go by.
    settings: Mutex<Arc<Settings>>,
    pub(crate) context: Arc<ContextShared>,
    /// News for the receiving side.
    pub(crate) incoming: Mailbox,
    /// News for the sending side.
    pub(crate) outgoing: Mailbox,
    pub(crate) counters: Counters,
    pub(crate) monitor: Hub,
    /// What a SUB or XSUB is subscribed to. Held while a change is written to the pipes, and while a fresh
    /// connection sends what is held, so that each publisher gets each change exactly once.
    pub(crate) subscriptions: Mutex<Arc<Subscriptions>>,
    /// Every call fails: the context was shut down, or this is a forked child.
    terminated: AtomicBool,
    pipe_ids: Mutex<Slab<()>>,
    /// Never repeats while anybody remembers; begins anywhere, so that ids of an earlier run do not match.
    next_serial: AtomicU32,
}

impl SocketShared {
    pub(crate) fn new(
        socket_type: SocketType,
        options: Options,
        context: Arc<ContextShared>,
        waiter: &Arc<Waiter>,
    ) -> Arc<SocketShared> {
        let first_serial = context.world.random() as u32;
        Arc::new(SocketShared {
            socket_type,
            settings: Mutex::new(Settings::new(socket_type, options)),
            context,
            incoming: Mailbox::new(waiter.clone()),
            outgoing: Mailbox::new(waiter.clone()),
            counters: Counters::default(),
            monitor: Hub::default(),
            subscriptions: Mutex::default(),
            terminated: AtomicBool::new(false),
            pipe_ids: Mutex::default(),
            next_serial: AtomicU32::new(first_serial),
        })
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        lock(&self.settings).clone()
    }

    pub(crate) fn set_settings(&self, settings: Arc<Settings>) {
        *lock(&self.settings) = settings;
    }

    /// A name for one more pipe. `None`: the socket is a PAIR and has its peer.
    pub(crate) fn new_pipe_key(self: &Arc<Self>) -> Option<Arc<PipeKey>> {
        let mut ids = lock(&self.pipe_ids);
        if self.socket_type == SocketType::Pair && !ids.is_empty() {
            return None;
        }
        let id = ids.insert(());
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        Some(Arc::new(PipeKey { id, serial, socket: self.clone(), refusal: OnceLock::new() }))
    }

    pub(crate) fn release_pipe_id(&self, id: PipeId) {
        lock(&self.pipe_ids).try_remove(id);
    }

    /// Makes every blocked or future call of the socket return `Terminated`.
    pub(crate) fn terminate(&self) {
        self.terminated.store(true, Ordering::Release);
        self.incoming.nudge();
        self.outgoing.nudge();
    }

    #[inline]
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Acquire)
    }
}

impl Drop for SocketShared {
    fn drop(&mut self) {
        // Every pipe and connection holds it, so all of them are gone and nothing is queued.
        self.monitor.emit(|| Event::Stopped { stats: Box::new(self.counters.snapshot(0)) });
    }
}
