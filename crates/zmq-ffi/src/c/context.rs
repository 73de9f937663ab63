//! Contexts.

use super::{bytes, exported, text};
use crate::context::{self, Settings};
use crate::error::{Errno, Result};
use crate::options::number::IPV6;
use std::ffi::{c_char, c_int, c_void};

const IO_THREADS: c_int = 1;
const MAX_SOCKETS: c_int = 2;
/// To set, `ZMQ_THREAD_PRIORITY`; to get, `ZMQ_SOCKET_LIMIT`.
const THREAD_PRIORITY: c_int = 3;
const THREAD_SCHED_POLICY: c_int = 4;
const MAX_MSGSZ: c_int = 5;
const MSG_T_SIZE: c_int = 6;
const THREAD_AFFINITY_CPU_ADD: c_int = 7;
const THREAD_AFFINITY_CPU_REMOVE: c_int = 8;
const THREAD_NAME_PREFIX: c_int = 9;
const ZERO_COPY_RECV: c_int = 10;
const BLOCKY: c_int = 70;

const SOCKET_LIMIT: c_int = 65_535;

fn set(settings: &mut Settings, option: c_int, value: c_int) -> Result<()> {
    let natural = usize::try_from(value).map_err(|_| Errno::EINVAL);
    match option {
        IO_THREADS => settings.io_threads = natural?,
        MAX_SOCKETS if value > 0 => settings.max_sockets = natural?,
        MAX_MSGSZ if value >= 0 => settings.max_message_size = value,
        THREAD_PRIORITY if value >= 0 => settings.schedule.priority = Some(value),
        THREAD_SCHED_POLICY if value >= 0 => settings.schedule.policy = Some(value),
        THREAD_AFFINITY_CPU_ADD => drop(settings.schedule.processors.insert(natural?)),
        THREAD_AFFINITY_CPU_REMOVE if settings.schedule.processors.remove(&natural?) => {}
        THREAD_NAME_PREFIX => settings.thread_name = value.to_string(),
        BLOCKY => settings.blocky = natural? != 0,
        IPV6 => settings.ipv6 = natural? != 0,
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

fn get(settings: &Settings, option: c_int) -> Result<c_int> {
    Ok(match option {
        IO_THREADS => settings.io_threads as c_int,
        MAX_SOCKETS => settings.max_sockets as c_int,
        THREAD_PRIORITY => SOCKET_LIMIT,
        THREAD_SCHED_POLICY => settings.schedule.policy.unwrap_or(-1),
        MAX_MSGSZ => settings.max_message_size,
        MSG_T_SIZE => size_of::<super::message::Msg>() as c_int,
        THREAD_NAME_PREFIX => settings.thread_name.parse().unwrap_or_default(),
        ZERO_COPY_RECV => 1,
        BLOCKY => settings.blocky.into(),
        IPV6 => settings.ipv6.into(),
        _ => return Err(Errno::EINVAL),
    })
}

exported! {
    /// A new context.
    fn zmq_ctx_new() -> *mut c_void, or std::ptr::null_mut(), {
        context::create(1)
    }

    /// As `zmq_ctx_new`, with so many I/O threads.
    fn zmq_init(io_threads: c_int) -> *mut c_void, or std::ptr::null_mut(), {
        context::create(usize::try_from(io_threads).map_err(|_| Errno::EINVAL)?)
    }

    /// Ends the calls on all sockets, and waits until they are closed and what they linger for is sent.
    fn zmq_ctx_term(context: *mut c_void) -> c_int, or -1, {
        context::terminate(context).map(|()| 0)
    }

    /// As `zmq_ctx_term`.
    fn zmq_ctx_destroy(context: *mut c_void) -> c_int, or -1, {
        context::terminate(context).map(|()| 0)
    }

    /// As `zmq_ctx_term`.
    fn zmq_term(context: *mut c_void) -> c_int, or -1, {
        context::terminate(context).map(|()| 0)
    }

    /// Ends the calls on all sockets, and does not wait.
    fn zmq_ctx_shutdown(context: *mut c_void) -> c_int, or -1, {
        context::find(context)?.shutdown();
        Ok(0)
    }

    /// Sets an option, before the first socket.
    fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int, or -1, {
        context::find(context)?.change_settings(|settings| set(settings, option, value)).map(|()| 0)
    }

    /// The value of an option.
    fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int, or -1, {
        get(&context::find(context)?.settings(), option)
    }

    /// As `zmq_ctx_set`, for values of any type.
    fn zmq_ctx_set_ext(
        context: *mut c_void,
        option: c_int,
        value: *const c_void,
        length: usize,
    ) -> c_int, or -1, {
        let context = context::find(context)?;
        // SAFETY: a value of this length.
        let value = unsafe { bytes(value, length) }?;
        match (option, <[u8; 4]>::try_from(value)) {
            (THREAD_NAME_PREFIX, _) => {
                let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
                let name = std::str::from_utf8(&value[..end]).map_err(|_| Errno::EINVAL)?;
                if name.is_empty() || name.len() > 16 {
                    return Err(Errno::EINVAL);
                }
                context.change_settings(|settings| settings.thread_name = name.to_owned());
            }
            (_, Ok(value)) => {
                let value = c_int::from_ne_bytes(value);
                context.change_settings(|settings| set(settings, option, value))?;
            }
            (_, Err(_)) => return Err(Errno::EINVAL),
        }
        Ok(0)
    }

    /// As `zmq_ctx_get`, for values of any type.
    fn zmq_ctx_get_ext(
        context: *mut c_void,
        option: c_int,
        value: *mut c_void,
        length: *mut usize,
    ) -> c_int, or -1, {
        let settings = context::find(context)?.settings();
        let found = match option {
            THREAD_NAME_PREFIX => crate::options::terminated(&settings.thread_name),
            _ => crate::options::bytes(get(&settings, option)?),
        };
        // SAFETY: a place of this length, and its length.
        unsafe { super::socket::give(&found, value, length) }.map(|()| 0)
    }

    /// Whether the library can do something: `ipc`, `curve`, ...
    fn zmq_has(capability: *const c_char) -> c_int, or 0, {
        // SAFETY: a text.
        Ok(matches!(unsafe { text(capability) }?, "ipc" | "curve").into())
    }
}
