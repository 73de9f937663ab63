//! Which process is at the other end: the kernel noted it when the connection was made.

use mio::net::UnixStream;
use zmq_core::Credentials;

/// The peer's credentials, if the system tells.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn of(stream: &UnixStream) -> Option<Credentials> {
    let peer = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials).ok()?;
    // The kernel says 0 where the peer's process has no number in our namespace.
    let pid = Some(peer.pid()).filter(|&pid| pid > 0);
    Some(Credentials { pid, uid: peer.uid(), gid: peer.gid() })
}

/// The peer's credentials, if the system tells.
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
))]
pub(crate) fn of(stream: &UnixStream) -> Option<Credentials> {
    let (uid, gid) = nix::unistd::getpeereid(stream).ok()?;
    Some(Credentials { pid: None, uid: uid.as_raw(), gid: gid.as_raw() })
}

/// The peer's credentials, if the system tells.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
pub(crate) fn of(_: &UnixStream) -> Option<Credentials> {
    None
}
