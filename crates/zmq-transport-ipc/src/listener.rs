//! A listening socket.

use crate::address::{Name, Place};
use crate::file::{self, PrivateDirectory, SocketFile};
use crate::settings;
use crate::stream::IpcStream;
use mio::event::Source;
use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zmq_core::options::StreamOptions;
use zmq_core::transport::{Listener, Stream};
use zmq_core::{Error, Result};

/// Connections that died in the queue and are passed over in one call of `accept`; then the others get their turn.
const MAX_DEAD_CONNECTIONS: usize = 64;

/// A listening Unix domain socket.
///
/// The order of the fields is the order in which they are dropped: the file goes first, while the socket still holds
/// its inode (so that the number cannot be another file's), then the directory around it.
pub(crate) struct IpcListener {
    _file: Option<SocketFile>,
    _directory: Option<PrivateDirectory>,
    inner: UnixListener,
    name: Name,
    options: StreamOptions,
}

impl IpcListener {
    pub(crate) fn bind(place: Place, options: &StreamOptions) -> Result<IpcListener> {
        if let Some(fd) = &options.listen_fd {
            return adopt(fd, options).map_err(|error| {
                let reason = format!("it is not a Unix domain socket that is bound: {error}");
                Error::InvalidOption { option: "listen_fd", reason }
            });
        }
        match place {
            Place::Named(name) => Self::bind_named(name, None, options),
            Place::Fresh => {
                let directory = PrivateDirectory::create()?;
                Self::bind_named(directory.socket_name()?, Some(directory), options)
            }
        }
    }

    fn bind_named(
        name: Name,
        directory: Option<PrivateDirectory>,
        options: &StreamOptions,
    ) -> Result<IpcListener> {
        let (inner, file) = match &name {
            Name::Path(path) => claim(&name, path, options)?,
            Name::Abstract(_) if options.file_mode.is_some() => {
                let reason = "an abstract name has no file; bind to a path".to_owned();
                return Err(Error::InvalidOption { option: "file_mode", reason });
            }
            Name::Abstract(_) => (listen(bind(&name, options)?, &name, options)?, None),
        };
        Ok(IpcListener { _file: file, _directory: directory, inner, name, options: options.clone() })
    }

    /// The next connection, with every option applied.
    pub(crate) fn accept_stream(&mut self) -> io::Result<IpcStream> {
        let mut dead = 0;
        loop {
            let accepted = self
                .inner
                .accept()
                .and_then(|(stream, _)| IpcStream::accepted(stream, self.name.to_string(), &self.options))
                .and_then(|stream| settings::admit(stream.credentials(), &self.options).map(|()| stream));
            match accepted {
                Err(error) if dead < MAX_DEAD_CONNECTIONS && is_dead_connection(&error) => dead += 1,
                result => return result,
            }
        }
    }
}

impl Listener for IpcListener {
    fn local_address(&self) -> String {
        self.name.to_string()
    }

    fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.accept_stream()?))
    }
}

impl Source for IpcListener {
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

/// Listens on a socket that somebody else has bound, and whose file is somebody else's.
fn adopt(fd: &OwnedFd, options: &StreamOptions) -> io::Result<IpcListener> {
    let socket = Socket::from(fd.try_clone()?);
    let name = Name::of(&socket.local_addr()?).ok_or(io::ErrorKind::AddrNotAvailable)?;
    socket.set_nonblocking(true)?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    let inner = UnixListener::from_std(socket.into());
    Ok(IpcListener { _file: None, _directory: None, inner, name, options: options.clone() })
}

/// Listens on a path, in place of a stale socket if there is one.
fn claim(name: &Name, path: &Path, options: &StreamOptions) -> Result<(UnixListener, Option<SocketFile>)> {
    // Held until the file is made, so that no other bind removes it as the stale one that was there.
    let _lock = file::lock_directory(path);
    file::clear(path)?;
    let socket = bind(name, options)?;
    // From here on the file is removed again if anything fails.
    let file = SocketFile::adopt(path).map_err(|error| file::explain(name, error))?;
    if let Some(mode) = options.file_mode {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(|error| file::explain(name, error))?;
    }
    Ok((listen(socket, name, options)?, Some(file)))
}

fn bind(name: &Name, options: &StreamOptions) -> Result<Socket> {
    let bind = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        settings::apply(&socket, options)?;
        socket.bind(&name.to_socket_address()?)?;
        Ok(socket)
    };
    bind().map_err(|error| file::explain(name, error))
}

fn listen(socket: Socket, name: &Name, options: &StreamOptions) -> Result<UnixListener> {
    let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
    socket.listen(backlog).map_err(|error| file::explain(name, error))?;
    Ok(UnixListener::from_std(socket.into()))
}

/// Whether the error belongs to one connection that ended before it was accepted.
fn is_dead_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(error.kind(), Interrupted | ConnectionAborted | ConnectionReset | NotConnected | InvalidInput)
}
