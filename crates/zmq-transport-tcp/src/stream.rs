//! One connection.

use crate::resolve::Route;
use crate::settings;
use crate::socks::Negotiation;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;
use zmq_core::options::StreamOptions;
use zmq_core::transport::{Room, SHORT_READ_MEANS_DRAINED, Stream, retry_interrupted};

/// A peer that is gone must end the connection, not raise `SIGPIPE`: the program may not be Rust's own.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
))]
const SEND_FLAGS: i32 = nix::sys::socket::MsgFlags::MSG_NOSIGNAL.bits();
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
const SEND_FLAGS: i32 = 0;

/// More slices than this are refused by the kernel (`IOV_MAX`).
const MAX_SLICES: usize = 1024;

/// Half a batch. The peer is woken when a write is copied as a whole, or when there is a segment of 64 KiB.
const HEAD_START: usize = 32 * 1024;

/// A TCP connection, or the attempt to make one.
pub(crate) struct TcpStream {
    inner: mio::net::TcpStream,
    peer: String,
    /// Until the proxy has answered.
    negotiation: Option<Box<Negotiation>>,
    is_proxied: bool,
}

impl TcpStream {
    /// Starts to connect; every option is in force before the first packet leaves.
    pub(crate) fn connect(route: &Route, options: &StreamOptions) -> io::Result<TcpStream> {
        let destination = route.destination;
        let socket = Socket::new(Domain::for_address(destination), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        settings::apply(&socket, options, destination.is_ipv6())?;
        settings::apply_device(&socket, options.device.as_deref())?;
        if let Some(source) = route.source {
            bind_source(&socket, source)?;
        }
        match socket.connect(&destination.into()) {
            Err(error) if !is_in_progress(&error) => Err(error),
            _ => Ok(TcpStream::new(mio::net::TcpStream::from_std(socket.into()), show(destination))),
        }
    }

    fn new(inner: mio::net::TcpStream, peer: String) -> TcpStream {
        TcpStream { inner, peer, negotiation: None, is_proxied: false }
    }

    /// What it is connected to is a proxy, to be asked for `destination` first.
    pub(crate) fn ask(&mut self, negotiation: Negotiation, destination: &str) {
        self.negotiation = Some(Box::new(negotiation));
        self.is_proxied = true;
        self.peer = destination.to_owned();
    }

    fn negotiate(&mut self) -> io::Result<bool> {
        let Some(mut negotiation) = self.negotiation.take() else { return Ok(true) };
        let done = negotiation.advance(self)?;
        if !done {
            self.negotiation = Some(negotiation);
        }
        Ok(done)
    }

    /// Takes an accepted connection.
    pub(crate) fn accepted(
        inner: mio::net::TcpStream,
        peer: SocketAddr,
        options: &StreamOptions,
    ) -> io::Result<TcpStream> {
        let socket = SockRef::from(&inner);
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        settings::apply(&socket, options, peer.is_ipv6())?;
        Ok(TcpStream::new(inner, show(peer)))
    }

    /// On loopback a connect to a free port of the ephemeral range may be given that very port as its source; TCP
    /// then connects the socket to itself. Such a connection is no peer, and it keeps the server from its port.
    fn refuse_self(&self, peer: SocketAddr) -> io::Result<bool> {
        if self.inner.local_addr()? != peer {
            return Ok(true);
        }
        // Reset instead of close, so that nothing stays behind on the port.
        let _ = SockRef::from(&self.inner).set_linger(Some(Duration::ZERO));
        let reason = format!("nobody listens on {peer}: the connection reached itself");
        Err(io::Error::new(io::ErrorKind::ConnectionRefused, reason))
    }

    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = SockRef::from(&self.inner);
        match slices {
            [slice] => socket.send_with_flags(slice, SEND_FLAGS),
            _ => socket.send_vectored_with_flags(&slices[..slices.len().min(MAX_SLICES)], SEND_FLAGS),
        }
    }
}

impl Stream for TcpStream {
    fn established(&mut self) -> io::Result<bool> {
        if let Some(error) = self.inner.take_error()? {
            return Err(error);
        }
        match self.inner.peer_addr() {
            Ok(peer) => Ok(self.refuse_self(peer)? && self.negotiate()?),
            Err(error) if error.kind() == io::ErrorKind::NotConnected || is_in_progress(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retry_interrupted(|| self.inner.read(buffer))
    }

    fn read_into(&mut self, room: &mut Room<'_>) -> io::Result<usize> {
        retry_interrupted(|| self.inner.try_io(|| room.receive(&self.inner)))
    }

    fn short_read_means_drained(&self) -> bool {
        SHORT_READ_MEANS_DRAINED
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry_interrupted(|| self.inner.try_io(|| self.send(slices)))
    }

    fn head_start(&self) -> usize {
        HEAD_START
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.shutdown(Shutdown::Write)
    }

    fn is_delivered(&self) -> bool {
        settings::is_acknowledged(&self.inner)
    }

    fn peer_address(&self) -> String {
        self.peer.clone()
    }

    fn leaves_this_machine(&self) -> bool {
        self.is_proxied
            || self.peer.parse::<SocketAddr>().is_ok_and(|peer| !peer.ip().to_canonical().is_loopback())
    }
}

impl Source for TcpStream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.inner.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.inner.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.inner.deregister(registry)
    }
}

/// A fixed source port is shared by the connections to different peers, and is free again at once for the next attempt.
fn bind_source(socket: &Socket, source: SocketAddr) -> io::Result<()> {
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&source.into()).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("leaving from {source}: {error}; it must be an address of this machine"),
        )
    })
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32)
}

#[cfg(not(unix))]
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// IPv4 peers of a dual-stack socket are shown as IPv4.
fn show(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        ip if ip.is_ipv4() => SocketAddr::new(ip, address.port()).to_string(),
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{parse_bind, parse_connect};
    use crate::listener::TcpListener;
    use crate::resolve;
    use std::thread::sleep;

    fn options(change: impl FnOnce(&mut StreamOptions)) -> StreamOptions {
        let mut options = StreamOptions::default();
        change(&mut options);
        options
    }

    fn connect(address: &str, options: &StreamOptions) -> io::Result<TcpStream> {
        let target = parse_connect(address, options.ipv6).expect(address);
        TcpStream::connect(&resolve::literal_route(&target)?, options)
    }

    fn listen(address: &str, options: &StreamOptions) -> TcpListener {
        let place = parse_bind(address, options.ipv6).expect(address);
        TcpListener::bind(address, &place, options).expect(address)
    }

    fn eventually<T>(mut attempt: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
        for _ in 0..2000 {
            match attempt() {
                Ok(Some(value)) => return Ok(value),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => sleep(Duration::from_millis(1)),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// A connection of two ends, both with the options.
    fn pair(address: &str, options: &StreamOptions) -> (TcpStream, TcpStream) {
        use zmq_core::transport::Listener;
        let mut listener = listen(address, options);
        let mut ours = connect(&listener.local_address(), options).expect("connect");
        let theirs = eventually(|| listener.accept_stream().map(Some)).expect("accept");
        eventually(|| ours.established().map(|done| done.then_some(()))).expect("established");
        (ours, theirs)
    }

    #[test]
    fn nodelay_is_always_on() {
        let (ours, theirs) = pair("127.0.0.1:*", &StreamOptions::default());
        for stream in [ours, theirs] {
            assert!(stream.inner.nodelay().expect("nodelay"));
            assert!(!SockRef::from(&stream.inner).keepalive().expect("keepalive"));
        }
    }

    #[test]
    fn keepalive_is_applied_on_both_ends() {
        let options = options(|o| {
            o.keepalive = Some(true);
            o.keepalive_count = Some(7);
            o.keepalive_idle = Some(Duration::from_secs(11));
            o.keepalive_interval = Some(Duration::from_secs(13));
        });
        let (ours, theirs) = pair("127.0.0.1:*", &options);
        for stream in [ours, theirs] {
            let socket = SockRef::from(&stream.inner);
            assert!(socket.keepalive().expect("keepalive"));
            assert_eq!(socket.tcp_keepalive_retries().expect("count"), 7);
            assert_eq!(socket.tcp_keepalive_time().expect("idle"), Duration::from_secs(11));
            assert_eq!(socket.tcp_keepalive_interval().expect("interval"), Duration::from_secs(13));
        }
    }

    #[test]
    fn a_time_for_keepalive_switches_it_on() {
        let options = options(|o| o.keepalive_idle = Some(Duration::from_secs(11)));
        let (ours, theirs) = pair("127.0.0.1:*", &options);
        for stream in [ours, theirs] {
            let socket = SockRef::from(&stream.inner);
            assert!(socket.keepalive().expect("keepalive"));
            assert_eq!(socket.tcp_keepalive_time().expect("idle"), Duration::from_secs(11));
        }
    }

    #[test]
    fn keepalive_can_be_switched_off() {
        let options = options(|o| {
            o.keepalive = Some(false);
            o.keepalive_idle = Some(Duration::from_secs(11));
        });
        let (ours, theirs) = pair("127.0.0.1:*", &options);
        for stream in [ours, theirs] {
            assert!(!SockRef::from(&stream.inner).keepalive().expect("keepalive"));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn buffers_and_user_timeout_are_applied_on_both_ends() {
        let options = options(|o| {
            o.send_buffer = Some(30_000);
            o.recv_buffer = Some(20_000);
            o.max_retransmit = Some(Duration::from_millis(4321));
        });
        let (ours, theirs) = pair("127.0.0.1:*", &options);
        for stream in [ours, theirs] {
            let socket = SockRef::from(&stream.inner);
            // Linux doubles what it is asked for, to pay for its own bookkeeping (socket(7)).
            assert_eq!(socket.send_buffer_size().expect("send buffer"), 60_000);
            assert_eq!(socket.recv_buffer_size().expect("receive buffer"), 40_000);
            assert_eq!(socket.tcp_user_timeout().expect("timeout"), options.max_retransmit);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn type_of_service_is_applied_on_both_ends() {
        let v4 = options(|o| o.type_of_service = 0x28);
        let (ours, theirs) = pair("127.0.0.1:*", &v4);
        for stream in [ours, theirs] {
            assert_eq!(SockRef::from(&stream.inner).tos_v4().expect("tos"), 0x28);
        }
        if std::net::TcpListener::bind("[::1]:0").is_err() {
            println!("skipped: no IPv6 here");
            return;
        }
        let v6 = options(|o| {
            o.ipv6 = true;
            o.type_of_service = 0x28;
        });
        let (ours, theirs) = pair("[::1]:*", &v6);
        for stream in [ours, theirs] {
            assert_eq!(SockRef::from(&stream.inner).tclass_v6().expect("traffic class"), 0x28);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_device_is_applied_on_both_ends() {
        let options = options(|o| o.device = Some("lo".to_owned()));
        let probe = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
        if let Err(error) = settings::apply_device(&probe, Some("lo")) {
            println!("skipped: {error}");
            return;
        }
        let (ours, theirs) = pair("127.0.0.1:*", &options);
        for stream in [ours, theirs] {
            let device = SockRef::from(&stream.inner).device().expect("device").expect("one");
            assert_eq!(String::from_utf8_lossy(&device).trim_end_matches('\0'), "lo");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_unknown_device_is_named() {
        let options = options(|o| o.device = Some("nosuchdev".to_owned()));
        let error = connect("127.0.0.1:1", &options).err().expect("no such device").to_string();
        assert!(error.contains("network device \"nosuchdev\""), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn descriptors_do_not_leak_into_child_processes() {
        use nix::sys::socket::{SockType, getsockopt, sockopt};
        use std::os::fd::AsRawFd;
        let (ours, theirs) = pair("127.0.0.1:*", &StreamOptions::default());
        for stream in [&ours, &theirs] {
            assert_eq!(getsockopt(&stream.inner, sockopt::SockType), Ok(SockType::Stream));
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", stream.inner.as_raw_fd()));
            let info = info.expect("fdinfo");
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags").trim();
            let flags = u32::from_str_radix(flags, 8).expect("octal");
            assert_eq!(flags & 0o2_000_000, 0o2_000_000, "O_CLOEXEC");
            assert_eq!(flags & 0o4_000, 0o4_000, "O_NONBLOCK");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connection_to_itself_is_refused() {
        // A fixed source that equals the destination makes the kernel do what it else does by chance.
        let free = std::net::TcpListener::bind("127.0.0.3:0").expect("bind").local_addr().expect("address");
        let mut stream = connect(&format!("{free};{free}"), &StreamOptions::default()).expect("connect");
        let error = eventually(|| stream.established().map(|done| done.then_some(()))).expect_err("itself");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("reached itself"), "{error}");
        drop(stream);
        // Without SO_REUSEADDR, so that even TIME_WAIT would show.
        let next = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
        next.bind(&free.into()).expect("the port is free at once");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_source_address_and_port_are_used() {
        use zmq_core::transport::Listener;
        let options = StreamOptions::default();
        let mut listener = listen("127.0.0.1:*", &options);
        let source = std::net::TcpListener::bind("127.0.0.2:0").expect("bind").local_addr().expect("address");
        for source in [source.to_string(), "127.0.0.2:0".to_owned()] {
            let address = format!("{source};{}", listener.local_address());
            let _ours = connect(&address, &options).expect("connect");
            let theirs = eventually(|| listener.accept_stream().map(Some)).expect("accept");
            assert!(
                theirs.peer_address().starts_with(source.trim_end_matches(":0")),
                "{}",
                theirs.peer_address()
            );
        }
        let error =
            connect("192.0.2.200:0;127.0.0.1:9", &options).err().expect("not our address").to_string();
        assert!(error.contains("leaving from 192.0.2.200:0"), "{error}");
    }

    #[test]
    fn ipv4_peers_of_dual_stack_sockets_are_shown_as_ipv4() {
        assert_eq!(show("[::ffff:1.2.3.4]:5".parse().expect("address")), "1.2.3.4:5");
        assert_eq!(show("[::1]:5".parse().expect("address")), "[::1]:5");
    }
}
