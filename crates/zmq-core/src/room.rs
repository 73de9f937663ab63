//! Where the bytes of a large body are read to.

// Memory is read into before it is initialized: to clear it first takes a twelfth of the time of a large message.
#![allow(unsafe_code)]

use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
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

    /// Has the system provide the memory for it now, all at once: page by page, as it is written to, takes a fifth of the time
    /// of a large message over TCP. `prepared` says how much of the body has its memory already.
    pub(crate) fn prepare(&mut self, prepared: &mut usize) {
        let ready = prepared.saturating_sub(self.body.len()).min(self.left);
        let pages = whole_pages(&mut self.body.spare_capacity_mut()[ready..self.left]);
        if pages.is_empty() {
            return;
        }
        provide(pages);
        let end = pages.as_ptr_range().end.addr();
        *prepared = end - self.body.as_ptr().addr();
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

/// The part of `memory` that is made of whole pages, however large pages are here.
fn whole_pages(memory: &mut [MaybeUninit<u8>]) -> &mut [MaybeUninit<u8>] {
    const LARGEST_PAGE: usize = 64 * 1024;
    let before = memory.as_ptr().align_offset(LARGEST_PAGE).min(memory.len());
    let memory = &mut memory[before..];
    let length = memory.len() / LARGEST_PAGE * LARGEST_PAGE;
    &mut memory[..length]
}

/// A system that cannot provides it when it is written to.
fn provide(memory: &mut [MaybeUninit<u8>]) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use nix::sys::mman::{MmapAdvise, madvise};
        let start = std::ptr::NonNull::from(&mut *memory).cast();
        // SAFETY: the memory is ours alone, and this advice changes nothing that is in it.
        let _ = unsafe { madvise(start, memory.len(), MmapAdvise::MADV_POPULATE_WRITE) };
    }
    let _ = memory;
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
    fn memory_is_provided_once_and_its_content_stays() {
        const MIB: usize = 1024 * 1024;
        let mut arriving = body(5, 4 * MIB);
        let mut prepared = 0;
        let mut room = Room::new(&mut arriving, usize::MAX);
        let pages = whole_pages(&mut room.body.spare_capacity_mut()[..AT_ONCE]);
        assert_eq!((pages.as_ptr().addr() % (64 * 1024), pages.len() % (64 * 1024)), (0, 0));
        assert!((AT_ONCE - 2 * 64 * 1024..=AT_ONCE).contains(&pages.len()));
        let whole = |up_to: usize| up_to - 64 * 1024 + 1..=up_to;
        room.prepare(&mut prepared);
        assert!(whole(5 + AT_ONCE).contains(&prepared));
        room.fill(&vec![b'b'; MIB / 2]);
        let mut room = Room::new(&mut arriving, 2 * MIB);
        room.prepare(&mut prepared);
        assert!(whole(5 + MIB / 2 + AT_ONCE).contains(&prepared));
        room.fill(&vec![b'c'; MIB]);
        let before = prepared;
        Room::new(&mut arriving, 0).prepare(&mut prepared);
        Room::new(&mut arriving, 1000).prepare(&mut prepared);
        assert_eq!(prepared, before);
        let expected = [vec![b'a'; 5], vec![b'b'; MIB / 2], vec![b'c'; MIB]].concat();
        assert!(arriving == expected);
        // Less than a page is nobody's.
        assert!(whole_pages(&mut Vec::with_capacity(100).spare_capacity_mut()[..100]).is_empty());
        provide(&mut []);
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
