//! Proxies between sockets that C holds.

use crate::error::{Errno, Result};
use crate::socket::{self, Slot, Using};
use std::ffi::c_void;
use zmq::AnySocket;

/// Passes messages between two sockets until the context ends, or `control` says so. `frontend` and `backend` may be the
/// same socket, `capture` and `control` null.
pub(crate) fn run(
    frontend: *const c_void,
    backend: *const c_void,
    capture: *const c_void,
    control: *const c_void,
) -> Result<()> {
    let same = frontend == backend;
    let handles: Vec<_> = match same {
        true => vec![frontend, capture, control],
        false => vec![frontend, backend, capture, control],
    };
    let mut used = Vec::with_capacity(handles.len());
    for handle in &handles {
        used.push(if handle.is_null() { None } else { Some(socket::find(*handle)?) });
    }
    let mut using = use_all(&used)?;
    let mut sockets = using.iter_mut().map(|using| using.as_mut().and_then(|using| using.as_mut()));
    let mut next = || sockets.next().flatten().map(|socket| &mut socket.any);
    let frontend = next().ok_or(Errno::ENOTSOCK)?;
    if same {
        let (capture, control) = (next(), next());
        return match control {
            Some(_) => Err(Errno::ENOTSUP),
            None => echo(frontend, capture),
        };
    }
    let backend = next().ok_or(Errno::ENOTSOCK)?;
    let (capture, control) = (next(), next());
    let ended = match (capture, control) {
        (Some(capture), control) => zmq::proxy_waiting_for_capture(frontend, backend, capture, control),
        (None, Some(control)) => zmq::proxy_steerable(frontend, backend, None, control),
        (None, None) => zmq::proxy(frontend, backend),
    };
    ended.map_err(Errno::from)
}

/// Takes all of them, always in the same order, so that two proxies never wait for each other.
fn use_all(slots: &[Option<&'static Slot>]) -> Result<Vec<Option<Using>>> {
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by_key(|index| slots[*index].map_or(0, |slot| std::ptr::from_ref(slot).addr()));
    let mut using: Vec<Option<Using>> = slots.iter().map(|_| None).collect();
    let mut last: Option<&Slot> = None;
    for index in order {
        let Some(slot) = slots[index] else { continue };
        if last.is_some_and(|last| std::ptr::eq(last, slot)) {
            return Err(Errno::EINVAL);
        }
        let taken = slot.use_it();
        if taken.is_none() {
            return Err(Errno::ENOTSOCK);
        }
        using[index] = Some(taken);
        last = Some(slot);
    }
    Ok(using)
}

/// A proxy of one socket with itself.
fn echo(socket: &mut AnySocket, mut capture: Option<&mut AnySocket>) -> Result<()> {
    loop {
        let message = socket.recv()?;
        if let Some(capture) = capture.as_deref_mut() {
            let _ = capture.send(message.clone());
        }
        match socket.send(message) {
            // Who asked has gone.
            Err(failed) if matches!(failed.error, zmq::Error::Unroutable { .. }) => {}
            sent => sent?,
        }
    }
}
