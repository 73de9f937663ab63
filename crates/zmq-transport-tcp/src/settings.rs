//! What the kernel is asked for on each socket.

use crate::address;
use socket2::{Socket, TcpKeepalive};
use std::io;
use std::time::Duration;
use zmq_core::options::{SocksProxy, StreamOptions};
use zmq_core::{Error, Result};

/// What Linux accepts for the times of keep-alive (`MAX_TCP_KEEPIDLE`); other systems take no less.
const MAX_KEEPALIVE_SECONDS: u64 = 32767;
/// `MAX_TCP_KEEPCNT`.
const MAX_KEEPALIVE_COUNT: u32 = 127;
/// The kernel counts in an `int`.
const MAX_INT: u64 = i32::MAX as u64;

/// Whether this system can bind a socket to a device by name.
const HAS_DEVICE: bool = cfg!(any(target_os = "linux", target_os = "android"));
/// Whether this system can limit the time that data stays unacknowledged.
const HAS_MAX_RETRANSMIT: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Refuses values that the kernel would refuse on each attempt, or that it would silently ignore.
pub(crate) fn validate(options: &StreamOptions) -> Result<()> {
    for (option, size) in [("send_buffer", options.send_buffer), ("recv_buffer", options.recv_buffer)] {
        let fits = size.is_none_or(|size| size as u64 <= MAX_INT);
        require(fits, option, "a kernel buffer has at most 2147483647 bytes")?;
    }
    for (option, time) in
        [("keepalive_idle", options.keepalive_idle), ("keepalive_interval", options.keepalive_interval)]
    {
        let fits = time.is_none_or(|time| (1..=MAX_KEEPALIVE_SECONDS).contains(&time.as_secs()));
        require(fits, option, "it is 1 s to 32767 s")?;
    }
    let count = options.keepalive_count.is_none_or(|count| (1..=MAX_KEEPALIVE_COUNT).contains(&count));
    require(count, "keepalive_count", "it is 1 to 127 probes")?;
    validate_max_retransmit(options.max_retransmit)?;
    validate_device(options.device.as_deref())?;
    options.socks_proxy.as_ref().map_or(Ok(()), |proxy| validate_proxy(proxy, options.ipv6))
}

fn validate_proxy(proxy: &SocksProxy, ipv6: bool) -> Result<()> {
    if proxy.address().contains(';') {
        return require(false, "socks_proxy", "it is one address; what to leave from stands in the endpoint");
    }
    if let Err(reason) = address::parse_connect(proxy.address(), ipv6) {
        return require(false, "socks_proxy", &reason);
    }
    // RFC 1929: one byte of length.
    let fits = |text: &str| (1..=255).contains(&text.len());
    let users = proxy.user().is_none_or(|(name, password)| fits(name) && fits(password));
    require(users, "socks_proxy", "the user name and the password have 1 to 255 bytes each")
}

fn validate_max_retransmit(time: Option<Duration>) -> Result<()> {
    let Some(time) = time else { return Ok(()) };
    require(HAS_MAX_RETRANSMIT, "max_retransmit", "this system cannot limit retransmission; leave it unset")?;
    let fits = (1..=MAX_INT as u128).contains(&time.as_millis());
    require(fits, "max_retransmit", "it is 1 ms to 2147483647 ms; None = the system's")
}

fn validate_device(device: Option<&str>) -> Result<()> {
    let Some(device) = device else { return Ok(()) };
    require(
        HAS_DEVICE,
        "device",
        "this system cannot bind to a device by name; bind to its address instead",
    )?;
    // IFNAMSIZ is 16 with the terminating zero.
    let name = (1..16).contains(&device.len()) && !device.contains('\0');
    require(name, "device", "the name of a network device has 1 to 15 bytes")
}

fn require(holds: bool, option: &'static str, reason: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::InvalidOption { option, reason: reason.to_owned() }) }
}

/// Applies every option but the device, which accepted sockets inherit.
pub(crate) fn apply(socket: &Socket, options: &StreamOptions, is_ipv6: bool) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    apply_keepalive(socket, options)?;
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(size) = options.recv_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    if options.type_of_service != 0 {
        apply_type_of_service(socket, u32::from(options.type_of_service), is_ipv6)?;
    }
    apply_max_retransmit(socket, options.max_retransmit)
}

/// A time or a count says that keep-alive is wanted, unless it is switched off by name.
fn apply_keepalive(socket: &Socket, options: &StreamOptions) -> io::Result<()> {
    if let Some(idle) = options.keepalive_idle {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    #[cfg(not(target_os = "openbsd"))]
    if let Some(interval) = options.keepalive_interval {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_interval(interval))?;
    }
    #[cfg(not(target_os = "openbsd"))]
    if let Some(count) = options.keepalive_count {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_retries(count))?;
    }
    // Last, because setting a time or the count has switched it on.
    if let Some(on) = options.keepalive {
        socket.set_keepalive(on)?;
    }
    Ok(())
}

fn apply_type_of_service(socket: &Socket, value: u32, is_ipv6: bool) -> io::Result<()> {
    if !is_ipv6 {
        return socket.set_tos_v4(value);
    }
    // For the IPv4 peers of a dual-stack socket; not every system takes it there.
    let _ = socket.set_tos_v4(value);
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "macos"))]
    socket.set_tclass_v6(value)?;
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn apply_max_retransmit(socket: &Socket, time: Option<Duration>) -> io::Result<()> {
    time.map_or(Ok(()), |time| socket.set_tcp_user_timeout(Some(time)))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn apply_max_retransmit(_: &Socket, _: Option<Duration>) -> io::Result<()> {
    Ok(())
}

/// Binds a socket to the device of the options, if any.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn apply_device(socket: &Socket, device: Option<&str>) -> io::Result<()> {
    let Some(device) = device else { return Ok(()) };
    socket.bind_device(Some(device.as_bytes())).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("binding to the network device {device:?}: {error}; check its name"),
        )
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn apply_device(_: &Socket, _: Option<&str>) -> io::Result<()> {
    Ok(())
}

/// After the end was written: whether the peer's system has acknowledged it, and with it all that came before. `true` where
/// the system does not say.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_acknowledged(stream: &mio::net::TcpStream) -> bool {
    use nix::libc::{self, IPPROTO_TCP, TCP_INFO};
    use nix::{getsockopt_impl, sockopt_impl, sys::socket::getsockopt};
    // The first byte of `tcp_info` is the state; that of a connection whose end is on its way is FIN-WAIT-1 (RFC 9293,
    // section 3.3.2), or CLOSING if the peer's end has come meanwhile.
    const FIN_WAIT_1: u8 = 4;
    const CLOSING: u8 = 11;
    sockopt_impl!(State, GetOnly, IPPROTO_TCP, TCP_INFO, u8);
    !matches!(getsockopt(stream, State), Ok(FIN_WAIT_1 | CLOSING))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_acknowledged(_: &mio::net::TcpStream) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut StreamOptions)) -> String {
        let mut options = StreamOptions::default();
        change(&mut options);
        validate(&options).expect_err("out of range").to_string()
    }

    #[test]
    fn values_out_of_range_name_the_option() {
        let hour = Duration::from_secs(3600);
        for (error, option) in [
            (refused(|o| o.send_buffer = Some(1 << 31)), "send_buffer"),
            (refused(|o| o.recv_buffer = Some(usize::MAX)), "recv_buffer"),
            (refused(|o| o.keepalive_idle = Some(Duration::from_millis(999))), "keepalive_idle"),
            (refused(|o| o.keepalive_interval = Some(hour * 10)), "keepalive_interval"),
            (refused(|o| o.keepalive_count = Some(0)), "keepalive_count"),
            (refused(|o| o.keepalive_count = Some(128)), "keepalive_count"),
            (refused(|o| o.max_retransmit = Some(Duration::from_micros(1))), "max_retransmit"),
            (refused(|o| o.max_retransmit = Some(Duration::MAX)), "max_retransmit"),
            (refused(|o| o.device = Some(String::new())), "device"),
            (refused(|o| o.device = Some("a-name-too-long-for-it".to_owned())), "device"),
            (refused(|o| o.device = Some("e\0".to_owned())), "device"),
        ] {
            assert!(error.contains(&format!("option {option}: ")), "{error}");
        }
        assert_eq!(validate(&StreamOptions::default()), Ok(()));
    }
}
