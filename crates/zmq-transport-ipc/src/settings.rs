//! What the kernel is asked for on each socket: of the stream options the buffers, the backlog,
//! `accept_users`, `accept_groups`, `accept_processes`, `file_mode` and `listen_fd` apply to ipc.

use socket2::Socket;
use std::io;
use zmq_core::options::StreamOptions;
use zmq_core::transport::not_allowed;
use zmq_core::{Credentials, Error, Result};

/// The kernel counts in an `int`.
const MAX_BUFFER: u64 = i32::MAX as u64;

/// What is asked for if nobody says otherwise. Systems give a Unix domain socket little (Linux 208 KiB, macOS 8) and, unlike for TCP, no
/// more as it is used: less than one large message, so that writer and reader sleep in turn.
pub(crate) const SEND_BUFFER: usize = 512 * 1024;

/// Refuses values that the kernel would refuse on each attempt.
pub(crate) fn validate(options: &StreamOptions) -> Result<()> {
    for (option, size) in [("send_buffer", options.send_buffer), ("recv_buffer", options.recv_buffer)] {
        if size.is_some_and(|size| size as u64 > MAX_BUFFER) {
            let reason = "a kernel buffer has at most 2147483647 bytes".to_owned();
            return Err(Error::InvalidOption { option, reason });
        }
    }
    if options.file_mode.is_some_and(|mode| mode > 0o777) {
        let reason = "permissions are at most 0o777".to_owned();
        return Err(Error::InvalidOption { option: "file_mode", reason });
    }
    Ok(())
}

/// Whether a peer with these credentials may connect.
pub(crate) fn admit(peer: Option<Credentials>, options: &StreamOptions) -> io::Result<()> {
    let StreamOptions { accept_users, accept_groups, accept_processes, .. } = options;
    if accept_users.is_empty() && accept_groups.is_empty() && accept_processes.is_empty() {
        return Ok(());
    }
    let Some(Credentials { pid, uid, gid }) = peer else {
        return Err(not_allowed("the system does not tell who the peer is, and not everybody may connect"));
    };
    let allowed = accept_users.contains(&uid)
        || accept_groups.contains(&gid)
        || pid.is_some_and(|pid| accept_processes.contains(&pid));
    if allowed {
        return Ok(());
    }
    let pid = pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
    Err(not_allowed(format!(
        "process {pid} of user {uid} and group {gid} is not among `accept_users`, `accept_groups` or \
         `accept_processes`"
    )))
}

/// Applies the buffers.
pub(crate) fn apply(socket: &Socket, options: &StreamOptions) -> io::Result<()> {
    match options.send_buffer {
        Some(size) => socket.set_send_buffer_size(size)?,
        None if socket.send_buffer_size()? < SEND_BUFFER => {
            // As much of it as the system allows: Linux up to its `wmem_max`, others all or nothing.
            let _ = socket.set_send_buffer_size(SEND_BUFFER);
        }
        None => {}
    }
    if let Some(size) = options.recv_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_name_the_option() {
        let mut options = StreamOptions::default();
        assert_eq!(validate(&options), Ok(()));
        options.recv_buffer = Some(usize::MAX);
        let error = validate(&options).expect_err("too large").to_string();
        assert!(error.contains("option recv_buffer: "), "{error}");
        let mut options = StreamOptions::default();
        options.file_mode = Some(0o1777);
        let error = validate(&options).expect_err("too large").to_string();
        assert!(error.contains("option file_mode: "), "{error}");
    }

    #[test]
    fn one_match_is_enough_and_no_list_is_anybody() {
        let peer = Credentials { pid: Some(3), uid: 1, gid: 2 };
        let with = |users: &[u32], groups: &[u32], processes: &[i32]| {
            let mut options = StreamOptions::default();
            options.accept_users = users.to_vec();
            options.accept_groups = groups.to_vec();
            options.accept_processes = processes.to_vec();
            options
        };
        assert!(admit(Some(peer), &with(&[], &[], &[])).is_ok());
        assert!(admit(None, &with(&[], &[], &[])).is_ok());
        for options in [with(&[9, 1], &[], &[]), with(&[9], &[2], &[]), with(&[], &[9], &[3])] {
            assert!(admit(Some(peer), &options).is_ok(), "{options:?}");
            assert!(admit(None, &options).is_err());
        }
        for options in [with(&[2, 3], &[], &[]), with(&[], &[1, 3], &[]), with(&[], &[], &[1, 2])] {
            let refused = admit(Some(peer), &options).expect_err("not among them").to_string();
            assert!(refused.contains("process 3 of user 1 and group 2"), "{refused}");
        }
        let unnumbered = Credentials { pid: None, ..peer };
        assert!(admit(Some(unnumbered), &with(&[], &[], &[3])).is_err());
    }
}
