//! Tests that start other programs. They stand apart because a child holds every descriptor between `fork` and
//! `exec`: for that moment a listener that another test has just closed would still be there.
#![cfg(unix)]

mod directory;

use directory::Directory;
use std::process::Command;
use zmq_core::options::StreamOptions;
use zmq_core::testing::{Connected, skipped};
use zmq_core::transport::PolledTransport;
use zmq_transport_ipc::Ipc;

fn defaults() -> StreamOptions {
    StreamOptions::default()
}

#[test]
fn a_relative_path_is_unlinked_wherever_the_process_has_gone() {
    // The working directory belongs to the whole process, so this runs in one of its own.
    const CHILD: &str = "ZMQ_IPC_TEST_DIRECTORY";
    if let Some(path) = std::env::var_os(CHILD) {
        std::env::set_current_dir(path).expect("enter");
        let mut pair = Connected::over(&Ipc, "socket", &defaults());
        assert_eq!(pair.listener.local_address(), "socket");
        pair.exchange(1000);
        std::env::set_current_dir("/").expect("leave");
        return;
    }
    let directory = Directory::new();
    let test = std::env::current_exe().expect("this program");
    let output = Command::new(test)
        .args(["--exact", "a_relative_path_is_unlinked_wherever_the_process_has_gone"])
        .env(CHILD, &directory.0)
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert!(!directory.path("socket").exists());
}

/// A file system of a few inodes, unmounted at the end.
#[cfg(target_os = "linux")]
struct Mount(Directory);

#[cfg(target_os = "linux")]
impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let directory = Directory::new();
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "nr_inodes=2", "tmpfs"])
        .arg(&directory.0)
        .output()
        .map(|output| output.status.success());
    if !matches!(status, Ok(true)) {
        skipped("this machine does not let us mount a small file system");
        return;
    }
    let mount = Mount(directory);
    let _one = Ipc.listen(&mount.0.address("one"), &defaults()).expect("the only inode");
    let error = Ipc.listen(&mount.0.address("two"), &defaults()).err().expect("the disk is full");
    let text = error.to_string();
    assert!(text.contains("no space is left there; free some"), "{text}");
}
