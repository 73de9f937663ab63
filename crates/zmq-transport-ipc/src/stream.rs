//! One connection.

use crate::address::Name;
use crate::credentials;
use crate::settings;
use mio::event::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::Shutdown;
use zmq_core::Credentials;
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

/// A connection over a Unix domain socket.
pub(crate) struct IpcStream {
    inner: UnixStream,
    peer: String,
    credentials: Option<Credentials>,
}

impl IpcStream {
    /// Connects. A Unix domain socket is connected as soon as there is room in the listener's backlog; this does not
    /// wait for room.
    pub(crate) fn connect(name: &Name, options: &StreamOptions) -> io::Result<IpcStream> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        settings::apply(&socket, options)?;
        socket.connect(&name.to_socket_address()?).or_else(judge_connect)?;
        Ok(Self::new(UnixStream::from_std(socket.into()), name.to_string()))
    }

    /// Takes an accepted connection; `peer` is what to show for it, since clients have no name of their own.
    pub(crate) fn accepted(
        inner: UnixStream,
        peer: String,
        options: &StreamOptions,
    ) -> io::Result<IpcStream> {
        let socket = SockRef::from(&inner);
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        settings::apply(&socket, options)?;
        Ok(Self::new(inner, peer))
    }

    fn new(inner: UnixStream, peer: String) -> IpcStream {
        IpcStream { credentials: credentials::of(&inner), inner, peer }
    }

    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = SockRef::from(&self.inner);
        match slices {
            [slice] => socket.send_with_flags(slice, SEND_FLAGS),
            _ => socket.send_vectored_with_flags(&slices[..slices.len().min(MAX_SLICES)], SEND_FLAGS),
        }
    }
}

/// Linux answers `EAGAIN` when the backlog is full, and then the socket does *not* go on connecting: no event would
/// ever come. So this is a failed attempt, under a kind that nobody takes for "wait for the event".
fn judge_connect(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::WouldBlock {
        let reason = "the listener has no room for more waiting connections; it may accept too slowly, or raise `backlog`";
        return Err(io::Error::new(ErrorKind::ResourceBusy, reason));
    }
    if error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) { Ok(()) } else { Err(error) }
}

impl Stream for IpcStream {
    fn established(&mut self) -> io::Result<bool> {
        if let Some(error) = self.inner.take_error()? {
            return Err(error);
        }
        match self.inner.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        if self.credentials.is_none() {
            self.credentials = credentials::of(&self.inner);
        }
        Ok(true)
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

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.shutdown(Shutdown::Write)
    }

    fn peer_address(&self) -> String {
        self.peer.clone()
    }

    fn credentials(&self) -> Option<Credentials> {
        self.credentials
    }
}

impl Source for IpcStream {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Place, parse_connect};
    use crate::listener::IpcListener;
    use zmq_core::transport::Listener;

    fn pair(options: &StreamOptions) -> (IpcStream, IpcStream) {
        let mut listener = IpcListener::bind(Place::Fresh, options).expect("listen");
        let name = parse_connect(&listener.local_address()).expect("address");
        let ours = IpcStream::connect(&name, options).expect("connect");
        (ours, listener.accept_stream().expect("accept"))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn buffers_are_applied_on_both_ends() {
        let mut options = StreamOptions::default();
        options.send_buffer = Some(30_000);
        options.recv_buffer = Some(20_000);
        let (ours, theirs) = pair(&options);
        for stream in [ours, theirs] {
            let socket = SockRef::from(&stream.inner);
            // Linux doubles what it is asked for, to pay for its own bookkeeping (socket(7)).
            assert_eq!(socket.send_buffer_size().expect("send buffer"), 60_000);
            assert_eq!(socket.recv_buffer_size().expect("receive buffer"), 40_000);
        }
    }

    #[test]
    fn more_than_a_small_system_default_is_sent_ahead() {
        let untouched = Socket::new(Domain::UNIX, Type::STREAM, None).expect("socket");
        let default = untouched.send_buffer_size().expect("send buffer");
        let _ = untouched.set_send_buffer_size(settings::SEND_BUFFER);
        let expected = default.max(untouched.send_buffer_size().expect("send buffer"));
        let (ours, theirs) = pair(&StreamOptions::default());
        for stream in [ours, theirs] {
            let size = SockRef::from(&stream.inner).send_buffer_size().expect("send buffer");
            assert_eq!(size, if default < settings::SEND_BUFFER { expected } else { default });
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn descriptors_do_not_leak_into_child_processes() {
        use std::os::fd::AsRawFd;
        let (ours, theirs) = pair(&StreamOptions::default());
        for stream in [&ours, &theirs] {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", stream.inner.as_raw_fd()));
            let info = info.expect("fdinfo");
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags").trim();
            let flags = u32::from_str_radix(flags, 8).expect("octal");
            assert_eq!(flags & 0o2_000_000, 0o2_000_000, "O_CLOEXEC");
            assert_eq!(flags & 0o4_000, 0o4_000, "O_NONBLOCK");
        }
    }
}
