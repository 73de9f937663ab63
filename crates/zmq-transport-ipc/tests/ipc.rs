//! The transport through its trait, over real connections and a real file system.
#![cfg(unix)]

mod directory;
use directory::Directory;
use nix::unistd::{getegid, geteuid};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use zmq_core::Credentials;
use zmq_core::Error;
use zmq_core::options::StreamOptions;
use zmq_core::testing::{Connected, conformance, connect, skipped};
use zmq_core::transport::{PolledTransport, Transport, TransportKind};
use zmq_transport_ipc::Ipc;

fn defaults() -> StreamOptions {
    StreamOptions::default()
}

fn options(change: impl FnOnce(&mut StreamOptions)) -> StreamOptions {
    let mut options = StreamOptions::default();
    change(&mut options);
    options
}

fn pair(address: &str, options: &StreamOptions) -> Connected<'static> {
    Connected::over(&Ipc, address, options)
}

fn listen_error(address: &str) -> Error {
    Ipc.listen(address, &defaults()).err().unwrap_or_else(|| panic!("{address} should be refused"))
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Leaves a socket file behind on which nobody listens, as a process that was killed does.
fn leave_stale_socket(path: &Path) {
    drop(UnixListener::bind(path).expect("bind"));
    assert!(is_socket(path));
}

#[test]
fn it_is_a_polled_transport_named_ipc() {
    assert_eq!(Ipc::new().scheme(), "ipc");
    assert!(matches!(Ipc.kind(), TransportKind::Polled(_)));
    assert!(!Ipc.resolve_blocks("localhost", &defaults()));
    assert_eq!(Ipc.resolve("/tmp/a", &defaults()).expect("resolve"), ["/tmp/a"]);
}

#[test]
fn it_conforms() {
    // Another name each time; a name with a file, then one without.
    let (directory, names) = (Directory::new(), AtomicUsize::new(0));
    let fresh = || directory.address(&names.fetch_add(1, Ordering::Relaxed).to_string());
    conformance(&Ipc, fresh);
    #[cfg(target_os = "linux")]
    conformance(&Ipc, || format!("@{}", fresh()));
}

#[test]
fn a_path_is_bound_and_unlinked_on_drop() {
    let directory = Directory::new();
    let address = directory.address("a socket");
    for _ in 0..3 {
        let mut pair = pair(&address, &defaults());
        assert_eq!(pair.listener.local_address(), address);
        assert_eq!(
            (pair.ours.peer_address(), pair.theirs.peer_address()),
            (address.clone(), address.clone())
        );
        assert!(is_socket(Path::new(&address)));
        pair.exchange(1000);
        #[cfg(target_os = "linux")]
        assert!(pair.ours.short_read_means_drained());
        drop(pair);
        assert!(!Path::new(&address).exists());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_leave_no_file() {
    let address = format!("@zmq-ipc-test-{}", std::process::id());
    for _ in 0..3 {
        let mut pair = pair(&address, &defaults());
        assert_eq!(pair.listener.local_address(), address);
        pair.exchange(1000);
        assert_eq!(listen_error(&address), Error::AddressInUse { endpoint: format!("ipc://{address}") });
    }
    let error = connect(&Ipc, &address, &defaults()).err().expect("gone with its socket");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_are_those_of_libzmq() {
    // libzmq ends the address where the name ends, without padding (ipc_address.cpp).
    use std::os::linux::net::SocketAddrExt;
    let name = format!("zmq-ipc-test-plain-{}", std::process::id());
    let _listener = Ipc.listen(&format!("@{name}"), &defaults()).expect("listen");
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("name");
    UnixStream::connect_addr(&address).expect("the same name");
}

#[test]
fn a_wildcard_gives_a_fresh_private_path() {
    let first = pair("*", &defaults());
    let second = pair("*", &defaults());
    let paths = [first.listener.local_address(), second.listener.local_address()].map(PathBuf::from);
    assert_ne!(paths[0], paths[1]);
    for path in &paths {
        let parent = path.parent().expect("directory");
        assert_eq!(fs::metadata(parent).expect("metadata").permissions().mode() & 0o777, 0o700);
    }
    drop((first, second));
    for path in &paths {
        assert!(!path.exists() && !path.parent().expect("directory").exists());
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let directory = Directory::new();
    leave_stale_socket(&directory.path("socket"));
    let mut pair = pair(&directory.address("socket"), &defaults());
    pair.exchange(1000);
}

#[test]
fn a_socket_on_which_somebody_answers_is_in_use() {
    let directory = Directory::new();
    let address = directory.address("socket");
    let in_use = Error::AddressInUse { endpoint: format!("ipc://{address}") };
    let listener = Ipc.listen(&address, &defaults()).expect("listen");
    assert_eq!(listen_error(&address), in_use);
    listener_was_not_bothered(listener, &address);
    // Not only our own: any program's.
    let foreign = UnixListener::bind(&address).expect("bind");
    assert_eq!(listen_error(&address), in_use);
    drop(foreign);
}

/// The refused bind has asked without connecting.
fn listener_was_not_bothered(mut listener: Box<dyn zmq_core::transport::Listener>, address: &str) {
    let accepted = listener.accept().map(drop).expect_err("nobody came");
    assert_eq!(accepted.kind(), std::io::ErrorKind::WouldBlock);
    Connected::accepted_by(listener, &Ipc, address, &defaults()).exchange(1000);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_backlog_is_an_answer_and_fails_attempts() {
    let directory = Directory::new();
    let address = directory.address("socket");
    let few = options(|options| options.backlog = 1);
    let mut listener = Ipc.listen(&address, &few).expect("listen");
    let mut waiting = Vec::new();
    let error = loop {
        match Ipc.open(&address, &few) {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10, "the backlog has no effect");
    };
    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "must not look like an attempt in progress");
    assert!(error.to_string().contains("no room for more waiting connections"), "{error}");
    assert_eq!(listen_error(&address), Error::AddressInUse { endpoint: format!("ipc://{address}") });
    listener.accept().expect("one");
    Ipc.open(&address, &few).expect("there is room again");
    let _many = Ipc.listen(&directory.address("other"), &options(|o| o.backlog = u32::MAX)).expect("clamped");
}

#[test]
fn what_is_no_socket_is_left_alone_and_named() {
    let directory = Directory::new();
    fs::write(directory.path("file"), "precious").expect("write");
    fs::create_dir(directory.path("dir")).expect("directory");
    leave_stale_socket(&directory.path("stale"));
    symlink(directory.path("stale"), directory.path("link")).expect("link");
    symlink(directory.path("file"), directory.path("link to file")).expect("link");
    symlink(directory.path("missing"), directory.path("dangling")).expect("link");
    let _datagram = UnixDatagram::bind(directory.path("datagram")).expect("bind");
    for (name, part) in [
        ("file", "a regular file"),
        ("dir", "a directory"),
        ("link", "a symbolic link"),
        ("link to file", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("datagram", "a datagram socket"),
    ] {
        let address = directory.address(name);
        let error = listen_error(&address);
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("ipc://{address}: what is there is {part}")), "{text}");
        assert!(text.contains("remove it or bind elsewhere"), "{text}");
        assert!(fs::symlink_metadata(&address).is_ok(), "{name} is gone");
    }
    assert_eq!(fs::read_to_string(directory.path("file")).expect("read"), "precious");
    assert!(is_socket(&directory.path("stale")), "the link was followed");
    assert!(!directory.path("missing").exists(), "the link was followed");
    assert!(is_socket(&directory.path("datagram")));
}

#[test]
fn a_special_file_is_left_alone() {
    let text = listen_error("/dev/null").to_string();
    assert!(text.contains("ipc:///dev/null: what is there is not a socket"), "{text}");
}

#[test]
fn a_socket_that_another_program_put_there_is_not_unlinked() {
    let directory = Directory::new();
    let address = directory.address("socket");
    let listener = Ipc.listen(&address, &defaults()).expect("listen");
    // As a libzmq that binds to the same path does: it unlinks without asking.
    fs::remove_file(&address).expect("unlink");
    let theirs = UnixListener::bind(&address).expect("bind");
    drop(listener);
    assert!(is_socket(Path::new(&address)));
    UnixStream::connect(&address).expect("theirs still listens");
    drop(theirs);
}

#[test]
fn a_socket_file_that_is_gone_already_is_no_error() {
    let directory = Directory::new();
    let address = directory.address("socket");
    let listener = Ipc.listen(&address, &defaults()).expect("listen");
    fs::remove_file(&address).expect("unlink");
    drop(listener);
    assert!(!Path::new(&address).exists());
}

#[test]
fn missing_directories_are_named() {
    let directory = Directory::new();
    fs::write(directory.path("file"), "").expect("write");
    for (name, part) in [
        ("none/socket", "directory does not exist; create it"),
        ("file/socket", "not a directory; correct the path"),
    ] {
        let address = directory.address(name);
        let error = listen_error(&address);
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("binding to ipc://{address}: ")) && text.contains(part), "{text}");
    }
}

#[test]
fn a_directory_without_permission_is_named() {
    if geteuid().is_root() {
        // /proc refuses new files to everybody; which error it gives shows in the text.
        skipped("in part: root may write everywhere");
        #[cfg(target_os = "linux")]
        assert!(matches!(listen_error("/proc/socket"), Error::Io { .. }));
        return;
    }
    let directory = Directory::new();
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o500)).expect("chmod");
    let text = listen_error(&directory.address("socket")).to_string();
    assert!(text.contains("may not create files there"), "{text}");
}

#[test]
fn malformed_addresses_are_refused_by_bind_and_connect() {
    let long = "x".repeat(108);
    for (address, part) in
        [("", "path is empty"), ("a\0b", "zero byte"), ("/tmp/", "ends in"), (&long, "has 108 bytes")]
    {
        for error in [listen_error(address), Ipc.check(address, &defaults()).expect_err(address)] {
            assert!(matches!(error, Error::InvalidEndpoint { .. }), "{error:?}");
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(Ipc.open(address, &defaults()).err().expect(address).kind(), ErrorKind::InvalidInput);
    }
    assert!(Ipc.check("*", &defaults()).expect_err("bind only").to_string().contains("`*` is for bind"));
    let options = options(|options| options.send_buffer = Some(usize::MAX));
    for error in [Ipc.listen("*", &options).err(), Ipc.check("/tmp/a", &options).err()] {
        assert!(matches!(error, Some(Error::InvalidOption { option: "send_buffer", .. })), "{error:?}");
    }
}

#[test]
fn a_path_of_the_longest_kind_works() {
    let directory = Directory::new();
    let limit = if cfg!(target_os = "linux") { 107 } else { 103 };
    let name = "x".repeat(limit - directory.address("").len());
    let address = directory.address(&name);
    assert_eq!(address.len(), limit);
    pair(&address, &defaults()).exchange(1000);
}

#[test]
fn attempts_without_a_listener_fail() {
    let directory = Directory::new();
    leave_stale_socket(&directory.path("stale"));
    for (name, kind) in [("missing", ErrorKind::NotFound), ("stale", ErrorKind::ConnectionRefused)] {
        let error = connect(&Ipc, &directory.address(name), &defaults()).err().expect(name);
        assert_eq!(error.kind(), kind, "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn credentials_are_those_of_the_process_at_the_other_end() {
    let pair = pair("*", &defaults());
    let ours = Credentials {
        pid: i32::try_from(std::process::id()).ok(),
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
    };
    assert_eq!(pair.theirs.credentials(), Some(ours));
    assert_eq!(pair.ours.credentials(), Some(ours));
}

#[test]
fn of_many_binds_at_once_one_wins() {
    let directory = Directory::new();
    let address = directory.address("socket");
    for _ in 0..300 {
        leave_stale_socket(Path::new(&address));
        let barrier = Barrier::new(4);
        let bind = || {
            barrier.wait();
            Ipc.listen(&address, &defaults())
        };
        let listeners: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(bind)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(listeners.iter().filter(|result| result.is_ok()).count(), 1);
        UnixStream::connect(&address).expect("the winner listens");
        drop(listeners);
        assert!(!Path::new(&address).exists());
    }
}

/// Its owner may be about to listen.
#[test]
fn a_socket_that_is_bound_but_does_not_listen_is_in_use() {
    let directory = Directory::new();
    let address = directory.address("socket");
    let idle = Socket::new(Domain::UNIX, Type::STREAM, None).expect("socket");
    idle.bind(&SockAddr::unix(&address).expect("address")).expect("bind");
    assert_eq!(listen_error(&address), Error::AddressInUse { endpoint: format!("ipc://{address}") });
    drop(idle);
    pair(&address, &defaults()).exchange(1000);
}
