//! Stands in for the crate `zmq-sys`, so that the crate `zmq` and what is built on it run on zmq-native:
//!
//! ```toml
//! [patch.crates-io]
//! zmq-sys = { path = "zmq-native/crates/zmq-ffi/zmq-sys" }
//! ```
//!
//! Functions and types are those of `zmq-ffi`, by the names of C; constants are made of `zmq.h` by `build.rs`.

#![allow(non_camel_case_types, unused_parens)]

pub use std::os::fd::RawFd;
pub use zmq_ffi::c::message::Msg as zmq_msg_t;
pub use zmq_ffi::c::poll::PollItem as zmq_pollitem_t;
pub use zmq_ffi::c::{context::*, drafts::*, message::*, poll::*, socket::*, timers::*, utilities::*};

/// How a program wants its memory back.
pub type zmq_free_fn = Option<FreeFunction>;
/// What a timer calls.
pub type zmq_timer_fn = Option<TimerFunction>;

include!(concat!(env!("OUT_DIR"), "/constants.rs"));

/// What `zmq_errno` says.
pub mod errno {
    pub use libc::{
        EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EBUSY, ECONNREFUSED, EFAULT, EHOSTUNREACH, EINPROGRESS,
        EINTR, EINVAL, EMFILE, EMSGSIZE, ENAMETOOLONG, ENETDOWN, ENOBUFS, ENODEV, ENOENT, ENOMEM, ENOTCONN,
        ENOTSOCK, ENOTSUP, EPROTO, EPROTONOSUPPORT,
    };

    const ZMQ_HAUSNUMERO: i32 = super::ZMQ_HAUSNUMERO as i32;

    include!(concat!(env!("OUT_DIR"), "/errors.rs"));

    /// Declares the codes that stand for those of POSIX on systems that lack them, which this library never sets.
    macro_rules! substitutes {
        ($($name:ident = $number:literal,)*) => {$(
            pub const $name: i32 = ZMQ_HAUSNUMERO + $number;
        )*};
    }

    substitutes! {
        ENOTSUP_ALT = 1,
        EPROTONOSUPPORT_ALT = 2,
        ENOBUFS_ALT = 3,
        ENETDOWN_ALT = 4,
        EADDRINUSE_ALT = 5,
        EADDRNOTAVAIL_ALT = 6,
        ECONNREFUSED_ALT = 7,
        EINPROGRESS_ALT = 8,
        ENOTSOCK_ALT = 9,
        EMSGSIZE_ALT = 10,
        EAFNOSUPPORT_ALT = 11,
        ENETUNREACH_ALT = 12,
        ECONNABORTED_ALT = 13,
        ECONNRESET_ALT = 14,
        ENOTCONN_ALT = 15,
        ETIMEDOUT_ALT = 16,
        EHOSTUNREACH_ALT = 17,
        ENETRESET_ALT = 18,
    }
}
