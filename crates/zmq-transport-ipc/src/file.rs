//! The file of a socket: whether its path may be taken, and how it goes away again.

use crate::address::{self, Name};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use socket2::{Domain, Socket, Type};
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use zmq_core::{Error, Result};

/// How long a bind waits for another bind in the same directory.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// Owns the file of a bound socket and removes it when dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// Absolute, because the working directory may change before it is removed.
    path: PathBuf,
    identity: Identity,
    /// A forked child inherits the listener; the file is not the child's to remove.
    process: u32,
}

/// What makes a file the same one, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl SocketFile {
    /// Takes charge of the file that a bind to `path` has just made.
    pub(crate) fn adopt(path: &Path) -> io::Result<SocketFile> {
        let identity = Identity::of(&fs::symlink_metadata(path)?);
        Ok(SocketFile { path: std::path::absolute(path)?, identity, process: std::process::id() })
    }

    fn is_ours(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        self.process == std::process::id() && found.is_ok_and(|found| Identity::of(&found) == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours() {
            // Nobody is left to tell; a file that stays is replaced by the next bind.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A directory of mode 0700 for the socket of a bind to `*`, removed when dropped.
#[derive(Debug)]
pub(crate) struct PrivateDirectory {
    path: PathBuf,
    process: u32,
}

impl PrivateDirectory {
    pub(crate) fn create() -> Result<PrivateDirectory> {
        let parent = std::env::temp_dir();
        let path = nix::unistd::mkdtemp(&parent.join("zmq-XXXXXX")).map_err(|errno| {
            let parent = parent.display();
            let doing = format!(
                "binding to ipc://*: no directory can be made in {parent}; set TMPDIR to a better one"
            );
            Error::io(doing, errno.into())
        })?;
        Ok(PrivateDirectory { path, process: std::process::id() })
    }

    /// The name of the socket in it.
    pub(crate) fn socket_name(&self) -> Result<Name> {
        let path = self.path.join("socket");
        let refuse = |reason: String| Error::InvalidEndpoint {
            endpoint: "ipc://*".to_owned(),
            reason: format!("{reason}; the directory comes from TMPDIR"),
        };
        let text = path.to_str().ok_or_else(|| refuse(format!("{} is not UTF-8", path.display())))?;
        address::check_length("path", text).map_err(refuse)?;
        Ok(Name::Path(path))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Keeps two binds of this library from judging and replacing the same file at once: without it the second could
/// take away the socket that the first has just made. The lock is on the directory, so nothing is left behind; where
/// it cannot be had, the bind goes on without it.
pub(crate) fn lock_directory(path: &Path) -> Option<Flock<File>> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Whatever the path names, opening it must not wait: a FIFO would.
    let flags = OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
    let mut directory = File::options().read(true).custom_flags(flags.bits()).open(parent).ok()?;
    let started = Instant::now();
    loop {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((_, errno)) if errno != Errno::EWOULDBLOCK || started.elapsed() > LOCK_PATIENCE => {
                return None;
            }
            Err((returned, _)) => directory = returned,
        }
        sleep(Duration::from_millis(1));
    }
}

/// Makes room at `path`: removes a socket that no process owns, and nothing else.
pub(crate) fn clear(path: &Path) -> Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // Nothing is in the way; if the path cannot be used, the bind says so.
        Err(_) => return Ok(()),
    };
    if !metadata.file_type().is_socket() {
        return Err(in_the_way(path, describe(metadata.file_type())));
    }
    match probe(path) {
        Ok(()) => Err(in_the_way(path, "a datagram socket")),
        Err(error) if error.raw_os_error() == Some(Errno::EPROTOTYPE as i32) => {
            Err(Error::AddressInUse { endpoint: format!("ipc://{}", path.display()) })
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove_stale(path, &metadata),
        // It went away meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let doing = "asking whether somebody listens there; remove the file if it is not needed";
            Err(Error::io(format!("binding to ipc://{}: {doing}", path.display()), error))
        }
    }
}

/// Asks whether the socket at `path` has an owner, without anybody noticing: a datagram socket does not fit a stream
/// socket, which the system says (`EPROTOTYPE`) only if there is one.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.connect(&Name::Path(path.to_owned()).to_socket_address()?)
}

fn remove_stale(path: &Path, probed: &Metadata) -> Result<()> {
    let now = fs::symlink_metadata(path);
    if now.is_ok_and(|now| Identity::of(&now) != Identity::of(probed)) {
        return Err(Error::AddressInUse { endpoint: format!("ipc://{}", path.display()) });
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let doing = "removing the socket that nobody listens on; remove it by hand or bind elsewhere";
            Err(Error::io(format!("binding to ipc://{}: {doing}", path.display()), error))
        }
        _ => Ok(()),
    }
}

fn describe(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link, which is not followed"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_file() {
        "a regular file"
    } else {
        "not a socket"
    }
}

fn in_the_way(path: &Path, what: &str) -> Error {
    let path = path.display();
    let doing = format!("binding to ipc://{path}: what is there is {what}; remove it or bind elsewhere");
    Error::io(doing, ErrorKind::AlreadyExists.into())
}

/// Says what can be done about a failed bind to `name`.
pub(crate) fn explain(name: &Name, error: io::Error) -> Error {
    let endpoint = format!("ipc://{name}");
    let hint = match error.kind() {
        ErrorKind::AddrInUse => return Error::AddressInUse { endpoint },
        ErrorKind::NotFound => "its directory does not exist; create it",
        ErrorKind::NotADirectory => "a part of the path is not a directory; correct the path",
        ErrorKind::PermissionDenied => "this program may not create files there; grant it or bind elsewhere",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "no space is left there; free some or bind elsewhere"
        }
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only; bind elsewhere",
        _ => return Error::io(format!("binding to {endpoint}"), error),
    };
    Error::io(format!("binding to {endpoint}: {hint}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_file_system_say_what_to_do() {
        let name = Name::Path("/some/where".into());
        for (errno, part) in [
            (Errno::ENOENT, "directory does not exist; create it"),
            (Errno::ENOTDIR, "not a directory"),
            (Errno::EACCES, "may not create files"),
            (Errno::EPERM, "may not create files"),
            (Errno::ENOSPC, "no space is left"),
            (Errno::EDQUOT, "no space is left"),
            (Errno::EROFS, "read-only"),
            (Errno::EMFILE, "open files"),
        ] {
            let error = explain(&name, errno.into());
            assert!(matches!(error, Error::Io { .. }));
            let text = error.to_string();
            assert!(text.starts_with("binding to ipc:///some/where: ") && text.contains(part), "{text}");
        }
        let error = explain(&name, Errno::EADDRINUSE.into());
        assert_eq!(error, Error::AddressInUse { endpoint: "ipc:///some/where".to_owned() });
    }

    #[test]
    fn a_file_belongs_to_the_process_that_made_it() {
        let directory = PrivateDirectory::create().expect("directory");
        let path = directory.path.join("file");
        fs::write(&path, "").expect("write");
        let mut inherited = SocketFile::adopt(&path).expect("adopt");
        inherited.process += 1; // as a forked child sees it
        drop(inherited);
        assert!(path.exists());
        drop(SocketFile::adopt(&path).expect("adopt"));
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_was_replaced_is_left_alone() {
        let directory = PrivateDirectory::create().expect("directory");
        let path = directory.path.join("file");
        fs::write(&path, "").expect("write");
        let ours = SocketFile::adopt(&path).expect("adopt");
        // Renamed into place, so that the two exist at once and cannot share an inode number.
        fs::write(directory.path.join("other"), "").expect("write");
        fs::rename(directory.path.join("other"), &path).expect("rename");
        drop(ours);
        assert!(path.exists());
        fs::remove_file(&path).expect("remove");
    }

    #[test]
    fn a_private_directory_is_private_and_goes_away() {
        let directory = PrivateDirectory::create().expect("directory");
        let path = directory.path.clone();
        assert_eq!(fs::metadata(&path).expect("metadata").mode() & 0o777, 0o700);
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_is_locked_by_one_bind_at_a_time() {
        let directory = PrivateDirectory::create().expect("directory");
        let path = directory.path.join("socket");
        let lock = lock_directory(&path).expect("lock");
        assert!(lock_directory(&path).is_none(), "waits, then goes on without");
        drop(lock);
        assert!(lock_directory(&path).is_some());
    }
}
