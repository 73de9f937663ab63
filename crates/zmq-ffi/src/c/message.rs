//! Messages: one frame in the 64 bytes of a `zmq_msg_t`.

use super::{bytes, exported, returned, text};
use crate::error::{Errno, Result};
use crate::{properties, socket};
use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void};
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::sync::Arc;
use zmq::{Bytes, Frame, HeapBody, Message, Peer};

/// What lies in a `zmq_msg_t`. Programs move it by `memcpy`, so nothing points into it.
#[repr(C, align(8))]
pub struct Msg {
    /// What the kind says. A cell, since the program writes to a body in place.
    place: UnsafeCell<[MaybeUninit<u8>; ROOM]>,
    /// The sender, a counted reference from `Arc::into_raw`; may be null.
    peer: *const Peer,
    /// Of a body in place.
    length: u8,
    kind: u8,
    /// Whether more frames of the same message follow.
    more: bool,
    unused: u8,
    /// Tells a message that was initialized from one that was not, or that is closed.
    mark: u32,
}

const _: () = assert!(size_of::<Msg>() == 64 && offset_of!(Msg, mark) == 60);

// SAFETY: what it owns may be on any thread (asserted below; of `Foreign` the program has said so), and whoever only looks at it
// changes nothing. Writing to a body that another thread reads is the program's own mistake.
unsafe impl Send for Msg {}
// SAFETY: the same.
unsafe impl Sync for Msg {}

const fn on_any_thread<T: Send + Sync>() {}
const _: () = {
    on_any_thread::<HeapBody>();
    on_any_thread::<Arc<Peer>>();
};

/// A place for a message, in which there is none yet.
impl Default for Msg {
    fn default() -> Msg {
        Msg { mark: 0, ..Msg::empty() }
    }
}

/// The largest body in place.
const ROOM: usize = 48;
const MARK: u32 = 0x5A4D_5347;

/// A body in place.
const INLINE: u8 = 1;
/// A [`Buffer`].
const BUFFER: u8 = 2;
/// A [`HeapBody`].
const HEAP: u8 = 3;
/// A [`Foreign`].
const FOREIGN: u8 = 4;

/// Memory of ours, for the program to fill.
#[derive(Clone, Copy)]
struct Buffer {
    start: *mut u8,
    length: usize,
    capacity: usize,
}

/// Memory of the program's, and how it wants it back.
#[derive(Clone, Copy)]
struct Foreign {
    start: *mut u8,
    length: usize,
    free: Option<FreeFunction>,
    hint: *mut c_void,
}

/// Called once with the data and the hint, on any thread.
pub type FreeFunction = unsafe extern "C" fn(*mut c_void, *mut c_void);

const _: () = assert!(size_of::<HeapBody>() <= ROOM && align_of::<HeapBody>() <= 8);
const _: () = assert!(size_of::<Foreign>() <= ROOM && size_of::<Buffer>() <= ROOM);

// SAFETY: the program gave the memory away, and has said that it may be freed on any thread.
unsafe impl Send for Foreign {}

impl Foreign {
    fn give_back(self) {
        if let Some(free) = self.free {
            // SAFETY: the program gave the function for just this; whoever calls this has the memory no more.
            unsafe { free(self.start.cast(), self.hint) };
        }
    }
}

/// Memory of the program's that is on its way.
struct Sent(Foreign);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the program vouches for these bytes until they are given back; they are not empty, so not null.
        unsafe { std::slice::from_raw_parts(self.0.start, self.0.length) }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Buffer {
    fn allocate(length: usize) -> Result<Buffer> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
        Ok(Buffer::of(memory, length))
    }

    /// The memory of a list; of that the program fills so many bytes.
    fn of(memory: Vec<u8>, length: usize) -> Buffer {
        let mut memory = ManuallyDrop::new(memory);
        Buffer { start: memory.as_mut_ptr(), length, capacity: memory.capacity() }
    }

    /// The memory as the Rust library knows it; at the same place.
    fn into_bytes(self) -> Bytes {
        // SAFETY: made by `of` of such a list, and nobody else frees it. What the program did not write are the bytes that the
        // allocator left: the program has had the pointer, so the compiler knows nothing of them.
        Bytes::from(unsafe { Vec::from_raw_parts(self.start, self.length, self.capacity) })
    }

    fn free(self) {
        // SAFETY: made by `of` of such a list, and nobody else frees it.
        drop(unsafe { Vec::from_raw_parts(self.start, 0, self.capacity) });
    }
}

impl Msg {
    const fn empty() -> Msg {
        Msg {
            place: UnsafeCell::new([MaybeUninit::uninit(); ROOM]),
            peer: std::ptr::null(),
            length: 0,
            kind: INLINE,
            more: false,
            unused: 0,
            mark: MARK,
        }
    }

    /// The message at a pointer.
    ///
    /// # Safety
    /// The pointer is null, or 64 bytes can be read and written there, by nobody else meanwhile.
    #[inline]
    unsafe fn at<'a>(pointer: *mut Msg) -> Result<&'a mut Msg> {
        // SAFETY: the caller vouches for it.
        unsafe { Msg::look(pointer) }?;
        // SAFETY: it is a message.
        Ok(unsafe { &mut *pointer })
    }

    /// The message at a pointer, which others may look at too.
    ///
    /// # Safety
    /// The pointer is null, or 64 bytes can be read there, and nobody changes them meanwhile.
    #[inline]
    unsafe fn look<'a>(pointer: *const Msg) -> Result<&'a Msg> {
        // SAFETY: the caller vouches for it; every content of the 64 bytes is a value of the fields that are looked at before
        // the mark was found, which only this module writes.
        let mark = if pointer.is_null() { 0 } else { unsafe { (&raw const (*pointer).mark).read() } };
        if mark != MARK {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the mark says that it is a message.
        Ok(unsafe { &*pointer })
    }

    #[inline]
    fn write<T>(&mut self, kind: u8, content: T) {
        const { assert!(size_of::<T>() <= ROOM && align_of::<T>() <= 8) };
        // SAFETY: it fits, and is aligned, since the place is the first field of a type aligned to 8.
        unsafe { self.place.get().cast::<T>().write(content) };
        self.kind = kind;
    }

    /// # Safety
    /// The kind says that there is a `T`; if it is not `Copy`, it is taken only once.
    #[inline]
    unsafe fn read<T>(&self) -> T {
        // SAFETY: as the caller says; aligned as in `write`.
        unsafe { self.place.get().cast::<T>().read() }
    }

    /// Where the body is, and how long.
    #[inline]
    fn body(&self) -> (*const u8, usize) {
        match self.kind {
            INLINE => (self.place.get().cast(), usize::from(self.length)),
            BUFFER => {
                // SAFETY: the kind says so.
                let buffer: Buffer = unsafe { self.read() };
                (buffer.start, buffer.length)
            }
            HEAP => {
                // SAFETY: the kind says so.
                let body = unsafe { &*self.place.get().cast::<HeapBody>() };
                (body.as_ptr(), body.len())
            }
            _ => {
                // SAFETY: the kind says so.
                let foreign: Foreign = unsafe { self.read() };
                (foreign.start, foreign.length)
            }
        }
    }

    /// Puts a frame into a message that is empty.
    #[inline]
    fn put(&mut self, frame: Frame) {
        // What has a place of its own keeps it: a frame that was not sent stays where the program knows it.
        if frame.len() > ROOM || frame.as_shared().is_some() {
            self.write(HEAP, frame.into_heap());
            return;
        }
        self.copy_in(frame.as_bytes());
    }

    /// Puts as much of a body as there is room for into a message that is empty.
    #[inline]
    fn copy_in(&mut self, body: &[u8]) {
        let length = body.len().min(ROOM);
        // SAFETY: there is room, and the body is elsewhere.
        unsafe { self.place.get().cast::<u8>().copy_from_nonoverlapping(body.as_ptr(), length) };
        self.length = length as u8;
        self.kind = INLINE;
    }

    /// Puts a body for which a frame has room in place, but a message has not, into memory of its own, in place of what is
    /// there: into the same memory if that is what is there, as it is when the message before was of that kind.
    fn copy_beside(&mut self, body: &[u8]) {
        let before = (self.kind == BUFFER).then(|| {
            // SAFETY: the kind says so.
            unsafe { self.read::<Buffer>() }
        });
        let mut buffer = match before {
            Some(buffer) if (body.len()..=2 * Frame::INLINE_CAPACITY).contains(&buffer.capacity) => buffer,
            _ => {
                self.clear_body();
                Buffer::of(Vec::with_capacity(Frame::INLINE_CAPACITY), 0)
            }
        };
        // SAFETY: there is room, and the body is elsewhere.
        unsafe { buffer.start.copy_from_nonoverlapping(body.as_ptr(), body.len()) };
        buffer.length = body.len();
        self.write(BUFFER, buffer);
    }

    /// Takes the frame out, and leaves an empty body.
    #[inline]
    fn take(&mut self) -> Frame {
        let kind = std::mem::replace(&mut self.kind, INLINE);
        let length = usize::from(std::mem::replace(&mut self.length, 0));
        match kind {
            INLINE => {
                // SAFETY: the kind said that so many bytes are in place.
                Frame::copy_from(unsafe { std::slice::from_raw_parts(self.place.get().cast(), length) })
            }
            // SAFETY: the kind said so, and is another now.
            BUFFER => Frame::from(unsafe { self.read::<Buffer>() }.into_bytes()),
            // SAFETY: the kind said so, and is another now.
            HEAP => Frame::from(unsafe { self.read::<HeapBody>() }),
            _ => {
                // SAFETY: the kind said so, and is another now.
                let foreign: Foreign = unsafe { self.read() };
                match (foreign.length, foreign.free) {
                    (0, _) => {
                        foreign.give_back();
                        Frame::new()
                    }
                    // SAFETY: without a function to free it, the program has said that it is constant.
                    (length, None) => Frame::from(Bytes::from_static(unsafe {
                        std::slice::from_raw_parts(foreign.start, length)
                    })),
                    (_, Some(_)) => Frame::from(Bytes::from_owner(Sent(foreign))),
                }
            }
        }
    }

    /// Lets go of what is in it; it is empty then.
    #[inline]
    fn clear(&mut self) {
        self.clear_body();
        self.more = false;
        self.set_peer(None);
    }

    #[inline]
    fn clear_body(&mut self) {
        if self.kind != INLINE {
            self.clear_place();
        }
        self.length = 0;
    }

    fn clear_place(&mut self) {
        match std::mem::replace(&mut self.kind, INLINE) {
            // SAFETY: the kind said so, and is another now.
            BUFFER => unsafe { self.read::<Buffer>() }.free(),
            // SAFETY: the kind said so, and is another now.
            HEAP => drop(unsafe { self.read::<HeapBody>() }),
            // SAFETY: the kind said so, and is another now.
            FOREIGN => unsafe { self.read::<Foreign>() }.give_back(),
            _ => {}
        }
    }

    /// Most often it is the same as that of the message before: then nothing is counted.
    #[inline]
    fn set_peer(&mut self, peer: Option<&Arc<Peer>>) {
        if self.peer != peer.map_or(std::ptr::null(), Arc::as_ptr) {
            self.replace_peer(peer.cloned());
        }
    }

    fn replace_peer(&mut self, peer: Option<Arc<Peer>>) {
        let before = std::mem::replace(&mut self.peer, peer.map_or(std::ptr::null(), Arc::into_raw));
        if !before.is_null() {
            // SAFETY: made by `Arc::into_raw`, and forgotten here.
            drop(unsafe { Arc::from_raw(before) });
        }
    }

    fn peer(&self) -> Option<Arc<Peer>> {
        if self.peer.is_null() {
            return None;
        }
        // SAFETY: made by `Arc::into_raw`; the message keeps its own count.
        unsafe {
            Arc::increment_strong_count(self.peer);
            Some(Arc::from_raw(self.peer))
        }
    }

    /// Another message of the same frame; a large body is shared.
    fn copy(&mut self) -> Msg {
        let mut copy = Msg { more: self.more, ..Msg::empty() };
        match self.kind {
            INLINE => {
                // SAFETY: the kind says so.
                copy.write(INLINE, unsafe { self.read::<[MaybeUninit<u8>; ROOM]>() });
                copy.length = self.length;
            }
            HEAP => {
                // SAFETY: the kind says so.
                let body = unsafe { &*self.place.get().cast::<HeapBody>() };
                copy.write(HEAP, body.clone());
            }
            _ => {
                let shared = self.take().into_heap();
                copy.write(HEAP, shared.clone());
                self.write(HEAP, shared);
            }
        }
        copy.replace_peer(self.peer());
        copy
    }
}

/// Sends the frame of a message, which is empty then. A message that is not sent stays as it is.
fn send(msg: &mut Msg, handle: *const c_void, flags: c_int) -> Result<usize> {
    socket::with(handle, |socket| {
        let (_, length) = msg.body();
        let mut frame = Message::from(msg.take());
        match socket.send(&mut frame, flags) {
            Ok(()) => {
                msg.clear();
                Ok(length)
            }
            Err(error) => {
                msg.put(frame.into_single().unwrap_or_default());
                Err(error)
            }
        }
    })
}

/// Receives a frame in place of what is in the message. As in libzmq a message that waited in vain is empty.
fn receive(msg: &mut Msg, handle: *const c_void, flags: c_int) -> Result<usize> {
    socket::with(handle, |socket| {
        socket.receive(flags).inspect_err(|error| {
            if matches!(*error, Errno::EAGAIN | Errno::EINTR) {
                msg.clear();
            }
        })?;
        let body = socket.frame();
        let length = body.len();
        if ROOM < length && length <= Frame::INLINE_CAPACITY {
            msg.copy_beside(body);
        } else {
            msg.clear_body();
            if length <= ROOM {
                msg.copy_in(body);
            } else if let Some(piece) = socket.take_piece() {
                msg.write(HEAP, piece);
            } else {
                msg.put(socket.take_frame());
            }
        }
        msg.more = socket.has_more();
        socket.with_peer(|peer| msg.set_peer(peer));
        Ok(length)
    })
}

exported! {
    /// An empty message.
    fn zmq_msg_init(msg: *mut Msg) -> c_int, or -1, {
        // SAFETY: a place for a message.
        unsafe { super::store(msg, Msg::empty()) }?;
        Ok(0)
    }

    /// A message of `size` bytes, for the program to fill.
    fn zmq_msg_init_size(msg: *mut Msg, size: usize) -> c_int, or -1, {
        let mut made = Msg::empty();
        if size <= ROOM {
            made.length = size as u8;
        } else {
            made.write(BUFFER, Buffer::allocate(size)?);
        }
        // SAFETY: a place for a message.
        unsafe { super::store(msg, made) }?;
        Ok(0)
    }

    /// A message with a copy of a buffer.
    fn zmq_msg_init_buffer(msg: *mut Msg, buffer: *const c_void, size: usize) -> c_int, or -1, {
        let mut made = Msg::empty();
        // SAFETY: a buffer of this size.
        made.put(Frame::copy_from(unsafe { bytes(buffer, size) }?));
        // SAFETY: a place for a message.
        unsafe { super::store(msg, made) }?;
        Ok(0)
    }

    /// A message whose body is the program's memory; `free` is called once when it is not needed any more.
    fn zmq_msg_init_data(
        msg: *mut Msg,
        data: *mut c_void,
        size: usize,
        free: Option<FreeFunction>,
        hint: *mut c_void,
    ) -> c_int, or -1, {
        if data.is_null() && size > 0 {
            return Err(Errno::EFAULT);
        }
        let mut made = Msg::empty();
        made.write(FOREIGN, Foreign { start: data.cast(), length: size, free, hint });
        // SAFETY: a place for a message.
        unsafe { super::store(msg, made) }?;
        Ok(0)
    }

    /// Sends it as the next frame; it is empty then.
    fn zmq_msg_send(msg: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int, or -1, {
        // SAFETY: a message.
        send(unsafe { Msg::at(msg) }?, socket, flags).map(returned)
    }

    /// Receives the next frame into it.
    fn zmq_msg_recv(msg: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int, or -1, {
        // SAFETY: a message.
        receive(unsafe { Msg::at(msg) }?, socket, flags).map(returned)
    }

    /// As `zmq_msg_send`.
    fn zmq_sendmsg(socket: *mut c_void, msg: *mut Msg, flags: c_int) -> c_int, or -1, {
        // SAFETY: a message.
        send(unsafe { Msg::at(msg) }?, socket, flags).map(returned)
    }

    /// As `zmq_msg_recv`.
    fn zmq_recvmsg(socket: *mut c_void, msg: *mut Msg, flags: c_int) -> c_int, or -1, {
        // SAFETY: a message.
        receive(unsafe { Msg::at(msg) }?, socket, flags).map(returned)
    }

    /// Ends it.
    fn zmq_msg_close(msg: *mut Msg) -> c_int, or -1, {
        // SAFETY: a message.
        let msg = unsafe { Msg::at(msg) }?;
        msg.clear();
        msg.mark = 0;
        Ok(0)
    }

    /// Moves the frame of one message into another, whose own is dropped.
    fn zmq_msg_move(destination: *mut Msg, source: *mut Msg) -> c_int, or -1, {
        if std::ptr::eq(destination, source) {
            // SAFETY: a message.
            return unsafe { Msg::at(source) }.map(|_| 0);
        }
        // SAFETY: two messages.
        let (source, destination) = unsafe { (Msg::at(source)?, Msg::at(destination)?) };
        destination.clear();
        *destination = std::mem::replace(source, Msg::empty());
        Ok(0)
    }

    /// Makes one message a copy of another; a large body is shared.
    fn zmq_msg_copy(destination: *mut Msg, source: *mut Msg) -> c_int, or -1, {
        if std::ptr::eq(destination, source) {
            // SAFETY: a message.
            return unsafe { Msg::at(source) }.map(|_| 0);
        }
        // SAFETY: two messages.
        let (source, destination) = unsafe { (Msg::at(source)?, Msg::at(destination)?) };
        destination.clear();
        *destination = source.copy();
        Ok(0)
    }

    /// Its body, for the program to read and write.
    fn zmq_msg_data(msg: *mut Msg) -> *mut c_void, or std::ptr::null_mut(), {
        // SAFETY: a message.
        let (start, _) = unsafe { Msg::look(msg) }?.body();
        Ok(start.cast_mut().cast())
    }

    /// The length of its body.
    fn zmq_msg_size(msg: *const Msg) -> usize, or 0, {
        // SAFETY: a message.
        let (_, length) = unsafe { Msg::look(msg) }?.body();
        Ok(length)
    }

    /// Whether more frames follow.
    fn zmq_msg_more(msg: *const Msg) -> c_int, or 0, {
        // SAFETY: a message.
        Ok(unsafe { Msg::look(msg) }?.more.into())
    }

    /// A property that is a number: `ZMQ_MORE` or `ZMQ_SHARED`.
    fn zmq_msg_get(msg: *const Msg, property: c_int) -> c_int, or -1, {
        const MORE: c_int = 1;
        const SHARED: c_int = 3;
        // SAFETY: a message.
        let msg = unsafe { Msg::look(msg) }?;
        match (property, msg.kind) {
            (MORE, _) => Ok(msg.more.into()),
            (SHARED, HEAP) => {
                // SAFETY: the kind says so.
                let body = unsafe { &*msg.place.get().cast::<HeapBody>() };
                Ok(body.may_be_shared().into())
            }
            (SHARED, FOREIGN) => {
                // SAFETY: the kind says so.
                let foreign: Foreign = unsafe { msg.read() };
                Ok(foreign.free.is_none().into())
            }
            (SHARED, _) => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }

    /// There is no property that can be set.
    fn zmq_msg_set(_msg: *mut Msg, _property: c_int, _value: c_int) -> c_int, or -1, {
        Err(Errno::EINVAL)
    }

    /// A property of the sender. The text lives as long as the message.
    fn zmq_msg_gets(msg: *const Msg, property: *const c_char) -> *const c_char, or std::ptr::null(), {
        // SAFETY: a message, and a text.
        let (msg, name) = unsafe { (Msg::look(msg)?, text(property)?) };
        msg.peer().and_then(|peer| properties::find(&peer, name)).ok_or(Errno::EINVAL)
    }
}
