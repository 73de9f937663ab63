//! Drafts of libzmq that are not here: they say so.

use super::exported;
use super::message::Msg;
use crate::error::Errno;
use std::ffi::{c_char, c_int, c_void};

exported! {
    /// `ENOTSUP`: there are no DISH sockets.
    fn zmq_join(_socket: *mut c_void, _group: *const c_char) -> c_int, or -1, {
        Err(Errno::ENOTSUP)
    }

    /// `ENOTSUP`: there are no DISH sockets.
    fn zmq_leave(_socket: *mut c_void, _group: *const c_char) -> c_int, or -1, {
        Err(Errno::ENOTSUP)
    }

    /// `ENOTSUP`: there are no PEER sockets.
    fn zmq_connect_peer(_socket: *mut c_void, _endpoint: *const c_char) -> u32, or 0, {
        Err(Errno::ENOTSUP)
    }

    /// `ENOTSUP`: there are no SERVER and PEER sockets.
    fn zmq_disconnect_peer(_socket: *mut c_void, _routing_id: u32) -> c_int, or -1, {
        Err(Errno::ENOTSUP)
    }

    /// `ENOTSUP`.
    fn zmq_socket_get_peer_state(
        _socket: *mut c_void,
        _routing_id: *const c_void,
        _length: usize,
    ) -> c_int, or -1, {
        Err(Errno::ENOTSUP)
    }

    /// `ENOTSUP`: there are no SERVER and PEER sockets.
    fn zmq_msg_set_routing_id(_msg: *mut Msg, _routing_id: u32) -> c_int, or -1, {
        Err(Errno::ENOTSUP)
    }

    /// 0: there is none.
    fn zmq_msg_routing_id(_msg: *mut Msg) -> u32, or 0, {
        Ok(0)
    }

    /// `ENOTSUP`: there are no RADIO sockets.
    fn zmq_msg_set_group(_msg: *mut Msg, _group: *const c_char) -> c_int, or -1, {
        Err(Errno::ENOTSUP)
    }

    /// Empty: there is none.
    fn zmq_msg_group(_msg: *mut Msg) -> *const c_char, or std::ptr::null(), {
        Ok(c"".as_ptr())
    }

    /// `ENOTSUP`, but for the first version on a PAIR, which is `zmq_socket_monitor`.
    fn zmq_socket_monitor_versioned(
        socket: *mut c_void,
        endpoint: *const c_char,
        events: u64,
        version: c_int,
        socket_type: c_int,
    ) -> c_int, or -1, {
        match (c_int::try_from(events), version, socket_type) {
            (Ok(events), 1, 0) => {
                // SAFETY: a text, as for that function.
                Ok(unsafe { super::socket::zmq_socket_monitor(socket, endpoint, events) })
            }
            _ => Err(Errno::ENOTSUP),
        }
    }

    /// `ENOTSUP`.
    fn zmq_socket_monitor_pipes_stats(_socket: *mut c_void) -> c_int, or -1, {
        Err(Errno::ENOTSUP)
    }
}
