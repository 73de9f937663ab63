//! What the kernel is asked for on each socket: of the stream options the buffers and the backlog apply to ipc.

use socket2::Socket;
use std::io;
use zmq_core::options::StreamOptions;
use zmq_core::{Error, Result};

/// The kernel counts in an `int`.
const MAX_BUFFER: u64 = i32::MAX as u64;

/// Refuses values that the kernel would refuse on each attempt.
pub(crate) fn validate(options: &StreamOptions) -> Result<()> {
    for (option, size) in [("send_buffer", options.send_buffer), ("recv_buffer", options.recv_buffer)] {
        if size.is_some_and(|size| size as u64 > MAX_BUFFER) {
            let reason = "a kernel buffer has at most 2147483647 bytes".to_owned();
            return Err(Error::InvalidOption { option, reason });
        }
    }
    Ok(())
}

/// Applies the buffers.
pub(crate) fn apply(socket: &Socket, options: &StreamOptions) -> io::Result<()> {
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size)?;
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
    }
}
