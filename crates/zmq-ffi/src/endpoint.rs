//! Endpoints as libzmq reads them: what it refuses before it looks for a transport, and by which error.

use crate::error::{Errno, Result};

/// The longest path of an ipc endpoint; of an abstract one with its `@`.
const LONGEST_PATH: usize = 107;

/// Whether it has a transport and an address, and the transport is one of those that are here.
///
/// # Errors
/// `EINVAL`, `EPROTONOSUPPORT`; `ENOCOMPATPROTO` for udp, which is there for socket types that are not here.
pub(crate) fn check(endpoint: &str) -> Result<()> {
    let (transport, address) = endpoint.split_once("://").ok_or(Errno::EINVAL)?;
    if transport.is_empty() || address.is_empty() {
        return Err(Errno::EINVAL);
    }
    match transport {
        "tcp" | "ipc" | "inproc" => Ok(()),
        "udp" => Err(Errno::ENOCOMPATPROTO),
        _ => Err(Errno::EPROTONOSUPPORT),
    }
}

/// What is to be bound or connected to.
///
/// # Errors
/// `ENAMETOOLONG`.
pub(crate) fn check_length(endpoint: &str) -> Result<()> {
    match endpoint.strip_prefix("ipc://") {
        Some(path) if path.len() > LONGEST_PATH => Err(Errno::ENAMETOOLONG),
        _ => Ok(()),
    }
}

/// Where to connect to: a name is looked up later, so it is only looked at whether it can be one.
///
/// # Errors
/// `EINVAL`.
pub(crate) fn check_name(endpoint: &str) -> Result<()> {
    let Some(address) = endpoint.strip_prefix("tcp://") else { return Ok(()) };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-:%;[]_*".contains(&byte);
    if address.bytes().all(known) { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The error of a bind to what the Rust library says to be malformed. To libzmq a host that is none is an interface that is
/// not there.
pub(crate) fn malformed_bind(endpoint: &str) -> Errno {
    let port = endpoint.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':'));
    match port {
        Some((host, port)) if !host.contains(';') && (port == "*" || port.parse::<u16>().is_ok()) => {
            Errno::ENODEV
        }
        _ => Errno::EINVAL,
    }
}
