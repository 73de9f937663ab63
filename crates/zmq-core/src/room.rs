//! Where the bytes of a large body are read to.

// Memory is read into before it is initialized: to clear it first takes a twelfth of the time of a large message.
#![allow(unsafe_code)]

use socket2::SockRef;
use std::io;
use std::os::fd::AsFd;

/// What is read at once, at most: about what the system has ready at a time. It bounds what is cleared in vain by a stream
/// that needs cleared memory.
const AT_ONCE: usize = 1024 * 1024;

/// Room at the end of a body that arrives, for one read: what [`Stream::read_into`](crate::transport::Stream::read_into)
/// fills.
#[derive(Debug)]
pub struct Room<'a> {
    body: &'a mut Vec<u8>,
    /// Invariant: at most what `body` has room for.
    left: usize,
}

impl<'a> Room<'a> {
    /// Room for `limit` bytes at most, as far as `body` has reserved it.
    pub(crate) fn new(body: &'a mut Vec<u8>, limit: usize) -> Room<'a> {
        let left = limit.min(body.capacity() - body.len()).min(AT_ONCE);
        Room { body, left }
    }

    /// For how many bytes.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether it is full.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Fills in as much of `bytes` as there is room for; returns how much.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(self.left)];
        self.body.extend_from_slice(bytes);
        self.left -= bytes.len();
        bytes.len()
    }

    /// Has `read` fill it from the beginning, after it was cleared; `read` returns how much it has filled.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read_with(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        let start = self.body.len();
        self.body.resize(start + self.left, 0);
        let result = read(&mut self.body[start..]);
        let count = result.as_ref().map_or(0, |count| *count).min(self.left);
        self.body.truncate(start + count);
        self.left -= count;
        result
    }

    /// Fills it with what a kernel socket has, by one recv(2). Nothing needs to be cleared before.
    ///
    /// # Errors
    /// Those of the system.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        let spare = &mut self.body.spare_capacity_mut()[..self.left];
        let count = SockRef::from(socket).recv(spare)?;
        debug_assert!(count <= self.left);
        // SAFETY: the system has initialized the first `count` bytes of `spare`, which begins where the body ends and lies
        // within its capacity.
        unsafe { self.body.set_len(self.body.len() + count) };
        self.left -= count;
        Ok(count)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn body(length: usize, capacity: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(capacity);
        body.resize(length, b'a');
        body
    }

    #[test]
    fn it_ends_with_the_limit_and_with_what_is_reserved() {
        let mut reserved = body(3, 2 * AT_ONCE);
        assert_eq!(Room::new(&mut reserved, 5).len(), 5);
        assert_eq!(Room::new(&mut reserved, usize::MAX).len(), AT_ONCE);
        let mut short = body(3, 8);
        let spare = short.capacity() - 3;
        assert_eq!(Room::new(&mut short, usize::MAX).len(), spare);
    }

    #[test]
    fn every_way_to_fill_it_appends() {
        let (mut writer, socket) = UnixStream::pair().unwrap();
        writer.write_all(b"defgh").unwrap();
        let mut arriving = body(1, 64);
        let mut room = Room::new(&mut arriving, 6);
        assert_eq!(room.fill(b"b"), 1);
        let read = room.read_with(|buffer| {
            assert_eq!(buffer, [0; 5]);
            buffer[0] = b'c';
            Ok(1)
        });
        assert_eq!(read.unwrap(), 1);
        assert_eq!(room.receive(&socket).unwrap(), 4, "no more than there is room for");
        assert!(room.is_empty());
        assert_eq!(room.fill(b"more"), 0);
        assert_eq!(arriving, b"abcdefg");
    }

    #[test]
    fn errors_and_false_counts_leave_it_in_order() {
        let (_writer, socket) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut arriving = body(1, 64);
        let mut room = Room::new(&mut arriving, 6);
        assert_eq!(room.receive(&socket).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(room.read_with(|_| Err(io::ErrorKind::ConnectionReset.into())).is_err());
        assert_eq!(room.len(), 6);
        assert_eq!(room.read_with(|_| Ok(usize::MAX)).unwrap(), usize::MAX);
        assert!(room.is_empty());
        assert_eq!(arriving, b"a\0\0\0\0\0\0");
    }
}
