//! Sockets: frames in and out, options at any time.

use crate::context::Context;
use crate::endpoint;
use crate::error::{Errno, Result};
use crate::handles::Handles;
use crate::lock;
use crate::monitor::Monitoring;
use crate::options::{self, Values, number};
use spin::mutex::{SpinMutex, SpinMutexGuard};
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zmq::{AnySocket, Descriptor, Frame, HeapBody, Message, Peer, SocketType, Stopper};

/// Flags of sending and receiving.
pub(crate) const DONTWAIT: c_int = 1;
pub(crate) const SNDMORE: c_int = 2;

/// So many frames room is made for beforehand, at most.
const MANY: usize = 64;

/// What a socket can do.
pub(crate) const POLLIN: i16 = 1;
pub(crate) const POLLOUT: i16 = 2;
pub(crate) const POLLERR: i16 = 4;
pub(crate) const POLLPRI: i16 = 8;

/// A place for a socket. Its lock is held during each call: two threads that use the same socket take turns. That hardly ever
/// happens, as libzmq forbids it, and the lock is in the way of every message; so it is one whose end is a plain store
/// (a fifth more messages of 8 bytes than with one that knows who waits).
///
/// Places lie side by side, and their sockets are used by different threads: none shares a cache line with the next (processors
/// fetch them in pairs).
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Slot {
    socket: SpinMutex<Option<Socket>>,
    /// Ends a call that another thread is in.
    stopper: Mutex<Option<Stopper>>,
    /// Which of the sockets that had this place it is.
    generation: AtomicU64,
}

static SOCKETS: Handles<Slot> = Handles::new();

/// A socket in use.
pub(crate) type Using = SpinMutexGuard<'static, Option<Socket>>;

pub(crate) struct Socket {
    pub(crate) any: AnySocket,
    socket_type: SocketType,
    values: Values,
    /// The message that is being sent; empty between messages.
    outgoing: Vec<Frame>,
    /// How many frames the last message of several had, as the next one is likely to; at most [`MANY`].
    frames: usize,
    /// The message that was received last; which of its frames is at hand, and how many there are.
    received: Message,
    at: usize,
    count: usize,
    descriptor: Option<Descriptor>,
    monitoring: Option<Monitoring>,
    /// What ends its calls.
    stopper: &'static Mutex<Option<Stopper>>,
    /// Last: the context waits for its sockets.
    membership: Membership,
}

/// One of the sockets that a context waits for.
struct Membership(Arc<Context>);

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A new socket, and its handle.
pub(crate) fn create(context: &Arc<Context>, type_number: c_int) -> Result<*mut c_void> {
    let native = context.native()?;
    let socket_type = options::socket_type(type_number).ok_or(Errno::EINVAL)?;
    context.enter()?;
    let membership = Membership(context.clone());
    let values = Values::new(socket_type, &context.settings());
    let mut any = AnySocket::new(&native, socket_type, values.native.clone())?;
    let slot = SOCKETS.take().ok_or(Errno::EMFILE)?;
    *lock(&slot.stopper) = Some(any.stopper()?);
    slot.generation.fetch_add(1, Ordering::Relaxed);
    *slot.use_it() = Some(Socket {
        any,
        socket_type,
        values,
        outgoing: Vec::new(),
        frames: 0,
        received: Message::new(),
        at: 0,
        count: 0,
        descriptor: None,
        monitoring: None,
        stopper: &slot.stopper,
        membership,
    });
    Ok(Handles::handle(slot))
}

/// The place that the handle stands for.
#[inline]
pub(crate) fn find(handle: *const c_void) -> Result<&'static Slot> {
    SOCKETS.find(handle).ok_or(Errno::ENOTSOCK)
}

/// Has the socket to itself for one call.
#[inline]
pub(crate) fn with<R>(handle: *const c_void, work: impl FnOnce(&mut Socket) -> Result<R>) -> Result<R> {
    let slot = find(handle)?;
    match &mut *slot.use_it() {
        Some(socket) => work(socket),
        None => Err(Errno::ENOTSOCK),
    }
}

/// Closes the socket. A call that another thread is in ends.
pub(crate) fn close(handle: *const c_void) -> Result<()> {
    let slot = find(handle)?;
    let socket = match slot.try_use() {
        Some(mut using) => using.take(),
        None => {
            if let Some(stopper) = &*lock(&slot.stopper) {
                stopper.stop();
            }
            slot.use_it().take()
        }
    };
    let socket = socket.ok_or(Errno::ENOTSOCK)?;
    *lock(&slot.stopper) = None;
    drop(socket);
    SOCKETS.give_back(slot);
    Ok(())
}

impl Slot {
    /// `None`: another thread is using it.
    pub(crate) fn try_use(&'static self) -> Option<Using> {
        self.socket.try_lock()
    }

    #[inline]
    pub(crate) fn use_it(&'static self) -> Using {
        self.socket.try_lock().unwrap_or_else(|| self.wait_for_turn())
    }

    /// Another thread is using it, and may for long: what waits there must not cost a processor.
    #[cold]
    fn wait_for_turn(&'static self) -> Using {
        let mut pause = Duration::from_micros(10);
        loop {
            std::thread::sleep(pause);
            if let Some(using) = self.socket.try_lock() {
                return using;
            }
            pause = (2 * pause).min(Duration::from_millis(1));
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

/// Sending and receiving, frame by frame. A frame is a message of its own while it is passed on, so that it moves but once.
impl Socket {
    /// Sends the frame out of its place. If it is not sent it stays there.
    #[inline]
    pub(crate) fn send(&mut self, frame: &mut Message, flags: c_int) -> Result<()> {
        if self.outgoing.is_empty() && flags & SNDMORE == 0 {
            return self.send_single(frame, flags);
        }
        self.send_part(frame, flags)
    }

    #[inline]
    fn send_single(&mut self, frame: &mut Message, flags: c_int) -> Result<()> {
        if let SocketType::Pull | SocketType::Sub | SocketType::Router | SocketType::Stream = self.socket_type
        {
            return self.send_nothing(frame);
        }
        self.hand_over(frame, flags)
    }

    /// A routing id alone says nothing to anybody.
    #[cold]
    fn send_nothing(&mut self, frame: &Message) -> Result<()> {
        if !self.can_send() {
            return Err(Errno::ENOTSUP);
        }
        let Some(first) = frame.frames().first() else { return Ok(()) };
        self.any.try_begin(first).or_else(|error| match error {
            zmq::Error::Terminated | zmq::Error::Forked => Err(error.into()),
            _ => Ok(()),
        })
    }

    /// Sends a copy as the next frame.
    #[inline]
    pub(crate) fn send_copy(&mut self, body: &[u8], flags: c_int) -> Result<()> {
        if self.outgoing.is_empty() {
            let mut frame = Message::from(Frame::new());
            frame.set(body);
            return self.send(&mut frame, flags);
        }
        self.outgoing.push(Frame::copy_from(body));
        if flags & SNDMORE != 0 {
            return Ok(());
        }
        // What is given back is a copy.
        self.send_parts(&mut Message::new(), flags)
    }

    fn send_part(&mut self, frame: &mut Message, flags: c_int) -> Result<()> {
        if self.outgoing.is_empty() {
            if !self.can_send() {
                return Err(Errno::ENOTSUP);
            }
            let Some(first) = frame.frames().first() else { return Ok(()) };
            // At the first frame it is said whether the message goes.
            match flags & DONTWAIT {
                0 => self.any.begin(first)?,
                _ => self.any.try_begin(first)?,
            }
            self.outgoing.reserve(self.frames);
        }
        frame.append_to(&mut self.outgoing);
        if flags & SNDMORE != 0 {
            return Ok(());
        }
        self.send_parts(frame, flags)
    }

    /// Sends the frames that were gathered. If that fails the last one is put into `frame`, to be sent once more.
    fn send_parts(&mut self, frame: &mut Message, flags: c_int) -> Result<()> {
        self.frames = self.outgoing.len().min(MANY);
        let mut message = Message::from(std::mem::take(&mut self.outgoing));
        let Err(error) = self.hand_over(&mut message, flags) else { return Ok(()) };
        match error {
            // Whoever it was for has gone since the first frame: nobody gets it, as nobody gets half of it.
            Errno::EAGAIN if flags & DONTWAIT != 0 => Ok(()),
            Errno::EAGAIN | Errno::EINTR => {
                self.outgoing = message.into_frames();
                *frame = self.outgoing.pop().unwrap_or_default().into();
                Err(error)
            }
            Errno::ETERM => {
                *frame = message.into_frames().pop().unwrap_or_default().into();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn hand_over(&mut self, message: &mut Message, flags: c_int) -> Result<()> {
        match flags & DONTWAIT {
            0 => self.any.send_from(message)?,
            _ => self.any.try_send_from(message)?,
        }
        Ok(())
    }

    /// Receives the next frame: [`frame`](Socket::frame).
    #[inline]
    pub(crate) fn receive(&mut self, flags: c_int) -> Result<()> {
        if self.has_more() {
            self.at += 1;
            return Ok(());
        }
        if !self.can_receive() {
            return Err(Errno::ENOTSUP);
        }
        match flags & DONTWAIT {
            0 => self.any.recv_into(&mut self.received)?,
            _ => self.any.try_recv_into(&mut self.received)?,
        }
        (self.at, self.count) = (0, self.received.len());
        Ok(())
    }

    /// The frame that was received last, until it is taken.
    #[inline]
    pub(crate) fn frame(&self) -> &[u8] {
        self.received.get(self.at).map_or(&[], Frame::as_bytes)
    }

    /// Takes its body, if it lies in a block: most bodies that are not small.
    #[inline]
    pub(crate) fn take_piece(&mut self) -> Option<HeapBody> {
        self.received.take_piece(self.at)
    }

    /// Takes it.
    pub(crate) fn take_frame(&mut self) -> Frame {
        self.received.take_frame(self.at).unwrap_or_default()
    }

    /// Who sent the message that was received last; not known of sockets in this process.
    #[inline]
    pub(crate) fn with_peer(&mut self, look: impl FnOnce(Option<&Arc<Peer>>)) {
        // No error: it has received just now.
        let _ = self.any.with_last_peer(|peer| look(peer.filter(|peer| peer.zmtp.is_some())));
    }

    /// Whether it is in the middle of a message that is received.
    pub(crate) fn has_more(&self) -> bool {
        self.at + 1 < self.count
    }

    fn can_send(&self) -> bool {
        !matches!(self.socket_type, SocketType::Pull | SocketType::Sub)
    }

    fn can_receive(&self) -> bool {
        !matches!(self.socket_type, SocketType::Push | SocketType::Pub)
    }
}

/// Everything else.
impl Socket {
    /// Looks for input, and says what can be done now (`ZMQ_EVENTS`).
    pub(crate) fn events(&mut self) -> Result<i16> {
        let readiness = self.any.readiness()?;
        Ok(self.events_of(readiness))
    }

    /// What can be done as far as is known, for those who wait.
    pub(crate) fn events_so_far(&mut self) -> Result<i16> {
        let readiness = self.any.readiness_so_far()?;
        Ok(self.events_of(readiness))
    }

    fn events_of(&self, readiness: zmq::Readiness) -> i16 {
        let readable = readiness.readable || self.has_more();
        // Whether a STREAM can send depends on the peer; libzmq says that it can.
        let always = self.any.socket_type() == SocketType::Stream;
        let writable = readiness.writable || always || !self.outgoing.is_empty();
        (if readable { POLLIN } else { 0 }) | (if writable { POLLOUT } else { 0 })
    }

    /// `None`: the value is a null pointer.
    pub(crate) fn set_option(&mut self, number: c_int, value: Option<&[u8]>) -> Result<()> {
        match number {
            number::SUBSCRIBE | number::UNSUBSCRIBE => {
                return self.change_subscription(number, value.unwrap_or_default());
            }
            number::ROUTER_RAW => return self.become_raw(value.unwrap_or_default()),
            _ => {}
        }
        let mut values = self.values.clone();
        values.set(number, value)?;
        self.any.set_options(values.native.clone())?;
        self.values = values;
        Ok(())
    }

    /// `ZMQ_ROUTER_RAW`, before it has endpoints: it is a STREAM from then on, whatever it is called.
    fn become_raw(&mut self, value: &[u8]) -> Result<()> {
        let mut values = self.values.clone();
        let raw = values.set_raw(value)?;
        let kind = if raw { SocketType::Stream } else { SocketType::Router };
        if kind == self.any.socket_type() {
            return Ok(());
        }
        if self.any.last_endpoint().is_some() {
            return Err(Errno::EINVAL);
        }
        let mut any = AnySocket::new(&self.membership.0.native()?, kind, values.native.clone())?;
        *lock(self.stopper) = Some(any.stopper()?);
        (self.any, self.values) = (any, values);
        self.descriptor = None;
        Ok(())
    }

    /// The number of a listener that C has, for the next bind (`ZMQ_USE_FD`).
    pub(crate) fn foreign_listener(&self) -> Option<c_int> {
        Some(self.values.int(number::USE_FD)).filter(|descriptor| *descriptor >= 0)
    }

    /// Accepts peers there; by way of `listener`, if there is one.
    pub(crate) fn bind(&mut self, endpoint: &str, listener: Option<OwnedFd>) -> Result<()> {
        self.check_endpoint(endpoint)?;
        if let Some(listener) = listener {
            let mut options = self.values.native.clone();
            options.stream.listen_fd = Some(Arc::new(listener));
            self.any.set_options(options)?;
        }
        let bound = self.any.bind(endpoint);
        self.any.set_options(self.values.native.clone())?;
        match bound {
            Ok(_) => Ok(()),
            Err(zmq::Error::InvalidEndpoint { .. }) => Err(endpoint::malformed_bind(endpoint)),
            Err(error) => Err(error.into()),
        }
    }

    /// Connects there, now and whenever somebody is there.
    pub(crate) fn connect(&mut self, endpoint: &str) -> Result<()> {
        self.check_endpoint(endpoint)?;
        endpoint::check_name(endpoint)?;
        match self.any.connect(endpoint) {
            // libzmq leaves whoever comes second alone, and says nothing.
            Ok(_) | Err(zmq::Error::PeerBusy) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is one that something can be bound or connected to; what leaves the process needs an I/O thread.
    fn check_endpoint(&self, endpoint: &str) -> Result<()> {
        let context = &self.membership.0;
        context.native()?;
        endpoint::check(endpoint)?;
        let alone = context.settings().io_threads == 0 && !endpoint.starts_with("inproc://");
        if alone { Err(Errno::EMTHREAD) } else { endpoint::check_length(endpoint) }
    }

    fn change_subscription(&mut self, number: c_int, topic: &[u8]) -> Result<()> {
        // An XPUB has subscriptions of its own as soon as it decides itself.
        if !matches!(self.socket_type, SocketType::Sub | SocketType::XPub) {
            return Err(Errno::EINVAL);
        }
        let changed = match number {
            number::SUBSCRIBE => self.any.subscribe(topic),
            _ => self.any.unsubscribe(topic).map(drop),
        };
        changed.map_err(|error| match error {
            zmq::Error::State { .. } => Errno::EINVAL,
            error => error.into(),
        })
    }

    pub(crate) fn option(&mut self, number: c_int, room: usize) -> Result<Vec<u8>> {
        match number {
            number::RCVMORE => Ok(options::bytes(self.has_more().into())),
            number::EVENTS => Ok(options::bytes(self.events()?.into())),
            number::FD => self.descriptor().map(options::bytes),
            number::LAST_ENDPOINT => {
                let endpoint = self.any.last_endpoint().map(|endpoint| endpoint.to_string());
                Ok(options::terminated(&endpoint.unwrap_or_default()))
            }
            _ => self.values.get(number, room),
        }
    }

    fn descriptor(&mut self) -> Result<c_int> {
        let descriptor = match self.descriptor.take() {
            Some(descriptor) => descriptor,
            None => self.any.edge_descriptor()?,
        };
        Ok(self.descriptor.insert(descriptor).as_raw_fd())
    }

    /// Is neither bound nor connected there any more, however often it was. In libzmq either call does for both.
    pub(crate) fn detach(&mut self, endpoint: &str) -> Result<()> {
        self.membership.0.native()?;
        endpoint::check(endpoint)?;
        let mut was_there = false;
        while known(self.any.unbind_and_dismiss(endpoint))? {
            was_there = true;
        }
        // The connections of a socket with itself stay, in the process.
        if was_there && endpoint.starts_with("inproc://") {
            return Ok(());
        }
        while known(self.any.disconnect(endpoint))? {
            was_there = true;
        }
        if was_there { Ok(()) } else { Err(Errno::ENOENT) }
    }

    /// Passes its events on to a PAIR at this endpoint, in place of where they went before; `None`: to nobody.
    pub(crate) fn monitor(&mut self, to: Option<(&str, u16)>) -> Result<()> {
        self.monitoring = None;
        if let Some((endpoint, events)) = to {
            endpoint::check(endpoint)?;
            let context = &self.membership.0;
            let (monitoring, thread) = Monitoring::start(
                &context.native()?,
                &context.settings(),
                self.any.monitor()?,
                endpoint,
                events,
            )?;
            context.keep(thread);
            self.monitoring = Some(monitoring);
        }
        Ok(())
    }
}

/// Whether the endpoint was known that something was done with.
fn known(done: zmq::Result<()>) -> Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(zmq::Error::UnknownEndpoint { .. } | zmq::Error::InvalidEndpoint { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
