//! Sockets.

use super::{bytes, exported, returned, text};
use crate::context;
use crate::error::{Errno, Result};
use crate::proxy;
use crate::socket::{self, SNDMORE};
use nix::libc;
use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{BorrowedFd, OwnedFd};
use zmq::{Bytes, Frame};

/// Writes a value to the place that the program has for it, and its length.
///
/// # Safety
/// The pointers are null, or `length` can be read and written, and so many bytes as it says be written to `place`.
pub(super) unsafe fn give(value: &[u8], place: *mut c_void, length: *mut usize) -> Result<()> {
    if place.is_null() || length.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    let length = unsafe { &mut *length };
    if *length < value.len() {
        return Err(Errno::EINVAL);
    }
    *length = value.len();
    // SAFETY: there is room, as was asked above.
    unsafe { place.cast::<u8>().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
    Ok(())
}

/// A copy of a listener of the program's, which stays its own.
fn copy_of(descriptor: c_int) -> Result<OwnedFd> {
    // SAFETY: it is looked at for the time of this call only; a number that is no descriptor is an error of the system.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    borrowed.try_clone_to_owned().map_err(|_| Errno(libc::EBADF))
}

#[inline]
fn send_copy(handle: *const c_void, body: &[u8], flags: c_int) -> Result<c_int> {
    socket::with(handle, |socket| socket.send_copy(body, flags))?;
    Ok(returned(body.len()))
}

/// Is neither bound nor connected there any more.
///
/// # Safety
/// As for [`text`].
unsafe fn detach(handle: *const c_void, endpoint: *const c_char) -> Result<c_int> {
    socket::with(handle, |socket| {
        // SAFETY: as the caller says.
        let endpoint = unsafe { text(endpoint) };
        // Here libzmq looks whether there is one; elsewhere it does not survive that.
        socket.detach(endpoint.map_err(|_| Errno::EINVAL)?).map(|()| 0)
    })
}

exported! {
    /// A new socket.
    fn zmq_socket(context: *mut c_void, socket_type: c_int) -> *mut c_void, or std::ptr::null_mut(), {
        socket::create(&context::find(context)?, socket_type)
    }

    /// Closes it. What was sent may still go out.
    fn zmq_close(socket: *mut c_void) -> c_int, or -1, {
        socket::close(socket).map(|()| 0)
    }

    /// Sets an option.
    fn zmq_setsockopt(
        socket: *mut c_void,
        option: c_int,
        value: *const c_void,
        length: usize,
    ) -> c_int, or -1, {
        socket::with(socket, |socket| {
            // SAFETY: a value of this length.
            let known = unsafe { bytes(value, length) }.map_err(|_| Errno::EINVAL)?;
            socket.set_option(option, (!value.is_null()).then_some(known)).map(|()| 0)
        })
    }

    /// The value of an option.
    fn zmq_getsockopt(
        socket: *mut c_void,
        option: c_int,
        value: *mut c_void,
        length: *mut usize,
    ) -> c_int, or -1, {
        socket::with(socket, |socket| {
            // SAFETY: a length, unless it is null.
            let room = unsafe { length.as_ref() }.copied().ok_or(Errno::EFAULT)?;
            let found = socket.option(option, room)?;
            // SAFETY: a place of this length, and its length.
            unsafe { give(&found, value, length) }.map(|()| 0)
        })
    }

    /// Accepts peers there.
    fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int, or -1, {
        socket::with(socket, |socket| {
            let listener = socket.foreign_listener().map(copy_of).transpose()?;
            // SAFETY: a text.
            socket.bind(unsafe { text(endpoint) }?, listener).map(|()| 0)
        })
    }

    /// Connects there, again and again.
    fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int, or -1, {
        socket::with(socket, |socket| {
            // SAFETY: a text.
            socket.connect(unsafe { text(endpoint) }?).map(|()| 0)
        })
    }

    /// Accepts no more peers there.
    fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int, or -1, {
        // SAFETY: a text.
        unsafe { detach(socket, endpoint) }
    }

    /// Is not connected there any more.
    fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int, or -1, {
        // SAFETY: a text.
        unsafe { detach(socket, endpoint) }
    }

    /// Sends a copy of a buffer as the next frame.
    fn zmq_send(socket: *mut c_void, buffer: *const c_void, length: usize, flags: c_int) -> c_int, or -1, {
        // SAFETY: a buffer of this length.
        send_copy(socket, unsafe { bytes(buffer, length) }?, flags)
    }

    /// Sends a buffer that never changes and never goes away as the next frame.
    fn zmq_send_const(
        socket: *mut c_void,
        buffer: *const c_void,
        length: usize,
        flags: c_int,
    ) -> c_int, or -1, {
        // SAFETY: a buffer of this length, which the program says to be constant.
        let constant = unsafe { bytes(buffer, length) }?;
        let mut frame = Frame::from(Bytes::from_static(constant)).into();
        socket::with(socket, |socket| socket.send(&mut frame, flags))?;
        Ok(returned(length))
    }

    /// Receives the next frame into a buffer; what does not fit is cut off. Returns the size of the whole frame.
    fn zmq_recv(socket: *mut c_void, buffer: *mut c_void, length: usize, flags: c_int) -> c_int, or -1, {
        if buffer.is_null() && length > 0 {
            return Err(Errno::EFAULT);
        }
        socket::with(socket, |socket| {
            socket.receive(flags)?;
            let frame = socket.frame();
            let (size, fits) = (frame.len(), frame.len().min(length));
            if fits > 0 {
                // SAFETY: so many bytes fit into both, and the frame is elsewhere.
                unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(frame.as_ptr(), fits) };
            }
            if size > Frame::INLINE_CAPACITY {
                // Not kept until the next one comes.
                drop(socket.take_frame());
            }
            Ok(returned(size))
        })
    }

    /// Sends several buffers: as the frames of one message if the flags say that more follow, else each as a message. Nothing
    /// follows the last.
    fn zmq_sendiov(
        socket: *mut c_void,
        parts: *mut libc::iovec,
        count: usize,
        flags: c_int,
    ) -> c_int, or -1, {
        socket::find(socket)?;
        if parts.is_null() || count == 0 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: so many parts.
        let parts = unsafe { std::slice::from_raw_parts(parts, count) };
        let mut sent = 0;
        for (index, part) in parts.iter().enumerate() {
            // SAFETY: a buffer of this length.
            let body = unsafe { bytes(part.iov_base, part.iov_len) }?;
            let flags = if index + 1 == count { flags & !SNDMORE } else { flags };
            sent = send_copy(socket, body, flags)?;
        }
        Ok(sent)
    }

    /// Receives frames of one message, at most as many as `count` says, each into memory that the program is to `free`.
    /// Returns how many, as `count` then says.
    fn zmq_recviov(
        socket: *mut c_void,
        parts: *mut libc::iovec,
        count: *mut usize,
        flags: c_int,
    ) -> c_int, or -1, {
        socket::find(socket)?;
        // SAFETY: a number, unless it is null.
        let count = unsafe { count.as_mut() }.filter(|count| **count > 0).ok_or(Errno::EINVAL)?;
        if parts.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: so many parts.
        let parts = unsafe { std::slice::from_raw_parts_mut(parts, std::mem::take(count)) };
        for part in parts {
            let (frame, more) = socket::with(socket, |socket| {
                socket.receive(flags)?;
                Ok((socket.take_frame(), socket.has_more()))
            })?;
            // SAFETY: takes a number; a size of zero is made one, so that null means that there is none.
            part.iov_base = unsafe { libc::malloc(frame.len().max(1)) };
            if part.iov_base.is_null() {
                return Err(Errno::ENOMEM);
            }
            // SAFETY: there is so much room.
            unsafe { part.iov_base.cast::<u8>().copy_from_nonoverlapping(frame.as_ptr(), frame.len()) };
            part.iov_len = frame.len();
            *count += 1;
            if !more {
                break;
            }
        }
        Ok(returned(*count))
    }

    /// Reports what happens to its connections to a PAIR at this endpoint; null: no more.
    fn zmq_socket_monitor(socket: *mut c_void, endpoint: *const c_char, events: c_int) -> c_int, or -1, {
        socket::with(socket, |socket| {
            let events = u16::try_from(events).map_err(|_| Errno::EINVAL)?;
            if endpoint.is_null() {
                return socket.monitor(None).map(|()| 0);
            }
            // SAFETY: a text.
            socket.monitor(Some((unsafe { text(endpoint) }?, events))).map(|()| 0)
        })
    }

    /// Passes messages between two sockets until the context ends.
    fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int, or -1, {
        if frontend.is_null() || backend.is_null() {
            return Err(Errno::EFAULT);
        }
        proxy::run(frontend, backend, capture, std::ptr::null()).map(|()| 0)
    }

    /// As `zmq_proxy`, and does what it is told over `control`.
    fn zmq_proxy_steerable(
        frontend: *mut c_void,
        backend: *mut c_void,
        capture: *mut c_void,
        control: *mut c_void,
    ) -> c_int, or -1, {
        if frontend.is_null() || backend.is_null() {
            return Err(Errno::EFAULT);
        }
        proxy::run(frontend, backend, capture, control).map(|()| 0)
    }

    /// As `zmq_proxy`.
    fn zmq_device(_kind: c_int, frontend: *mut c_void, backend: *mut c_void) -> c_int, or -1, {
        if frontend.is_null() || backend.is_null() {
            return Err(Errno::EFAULT);
        }
        proxy::run(frontend, backend, std::ptr::null(), std::ptr::null()).map(|()| 0)
    }
}
