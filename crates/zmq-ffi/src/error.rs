//! Errors as C knows them.

use nix::libc;
use std::ffi::{CStr, c_int};
use std::io::ErrorKind;
use zmq::{Error, SendError};

const HAUSNUMERO: c_int = 156_384_712;

/// A value of `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

pub(crate) type Result<T, E = Errno> = std::result::Result<T, E>;

impl Errno {
    pub(crate) const EFSM: Errno = Errno(HAUSNUMERO + 51);
    pub(crate) const ENOCOMPATPROTO: Errno = Errno(HAUSNUMERO + 52);
    pub(crate) const ETERM: Errno = Errno(HAUSNUMERO + 53);
    pub(crate) const EMTHREAD: Errno = Errno(HAUSNUMERO + 54);
    pub(crate) const EAGAIN: Errno = Errno(libc::EAGAIN);
    pub(crate) const EFAULT: Errno = Errno(libc::EFAULT);
    pub(crate) const EHOSTUNREACH: Errno = Errno(libc::EHOSTUNREACH);
    pub(crate) const EINTR: Errno = Errno(libc::EINTR);
    pub(crate) const EINVAL: Errno = Errno(libc::EINVAL);
    pub(crate) const EMFILE: Errno = Errno(libc::EMFILE);
    pub(crate) const ENAMETOOLONG: Errno = Errno(libc::ENAMETOOLONG);
    pub(crate) const ENODEV: Errno = Errno(libc::ENODEV);
    pub(crate) const ENOENT: Errno = Errno(libc::ENOENT);
    pub(crate) const ENOMEM: Errno = Errno(libc::ENOMEM);
    pub(crate) const ENOTSOCK: Errno = Errno(libc::ENOTSOCK);
    pub(crate) const ENOTSUP: Errno = Errno(libc::ENOTSUP);
    pub(crate) const EPROTONOSUPPORT: Errno = Errno(libc::EPROTONOSUPPORT);
    /// A panic: a defect of this library.
    pub(crate) const DEFECT: Errno = Errno(libc::ENOTRECOVERABLE);

    /// Makes it the calling thread's `errno`.
    pub(crate) fn set(self) {
        nix::errno::Errno::set_raw(self.0);
    }

    /// The calling thread's `errno`.
    pub(crate) fn get() -> c_int {
        nix::errno::Errno::last_raw()
    }

    /// The errors that POSIX does not know, and the one that libzmq says in words of its own.
    pub(crate) fn own_text(self) -> Option<&'static CStr> {
        Some(match self {
            Errno::EFSM => c"Operation cannot be accomplished in current state",
            Errno::ENOCOMPATPROTO => c"The protocol is not compatible with the socket type",
            Errno::ETERM => c"Context was terminated",
            Errno::EMTHREAD => c"No thread available",
            Errno::EHOSTUNREACH => c"Host unreachable",
            _ => return None,
        })
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Errno {
        match error {
            Error::WouldBlock | Error::Timeout { .. } => Errno::EAGAIN,
            Error::Interrupted => Errno::EINTR,
            // In a child of the process that made the context: there is nothing to wait for, and no way on.
            Error::Terminated | Error::Forked => Errno::ETERM,
            Error::State { .. } => Errno::EFSM,
            Error::Unroutable { .. } => Errno::EHOSTUNREACH,
            Error::UnknownTransport { .. } => Errno::EPROTONOSUPPORT,
            Error::AddressInUse { .. } => Errno(libc::EADDRINUSE),
            Error::UnknownEndpoint { .. } => Errno::ENOENT,
            Error::IncompatiblePeer { .. } => Errno::ENOCOMPATPROTO,
            // None of those that the socket may have.
            Error::InvalidOption { option: "affinity", .. } => Errno::EMTHREAD,
            Error::PeerBusy => Errno(libc::ECONNREFUSED),
            Error::TooManySockets { .. } => Errno::EMFILE,
            Error::Io { source, .. } => match (source.raw_os_error(), source.kind()) {
                (Some(number), _) => Errno(number),
                // Something that is no socket is where one should be.
                (None, ErrorKind::AlreadyExists) => Errno(libc::EADDRINUSE),
                (None, _) => Errno::ENODEV,
            },
            _ => Errno::EINVAL,
        }
    }
}

impl From<SendError> for Errno {
    fn from(failed: SendError) -> Errno {
        failed.error.into()
    }
}
