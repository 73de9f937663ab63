//! Messages and their frames.
//!
//! A [`Message`] is what a socket carries: one or more [`Frame`]s that travel together. A frame of up to
//! [`Frame::INLINE_CAPACITY`] bytes lives inside the value itself. A copy of up to 4 KiB lives with its neighbours in a
//! block of 32 KiB, a larger one in a reference-counted [`Bytes`]; so cloning it for fifty subscribers copies nothing.

use crate::bundle::Bundle;
use bytes::Bytes;
use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, Index};
use std::str::Utf8Error;

mod block;
pub(crate) mod reserve;
mod storage;

use storage::{Content, Storage, View};

thread_local! {
    static BLOCKS: RefCell<block::Filler> = const { RefCell::new(block::Filler::new()) };
}

/// One part of a [`Message`]: immutable bytes, zero-length to gigabytes.
///
/// Received bodies of 71 bytes to 4 KiB share blocks of 32 KiB, which are freed when the last frame in them is dropped.
/// To keep one such body for long, keep [`into_bytes`](Frame::into_bytes) or `to_vec()`: a copy of its own.
// Invariant: the storage holds one body.
#[derive(Clone)]
#[repr(transparent)]
pub struct Frame(Storage);

// A pipe slot holds one message; this size is what a message costs to move.
const _: () = assert!(size_of::<Message>() == 72 && size_of::<Frame>() == 72);

impl Frame {
    /// The largest body that needs no allocation.
    pub const INLINE_CAPACITY: usize = storage::CAPACITY;

    /// A frame of zero bytes.
    pub const fn new() -> Frame {
        Frame(Storage::empty())
    }

    /// A frame with a copy of `bytes`.
    #[inline]
    pub fn copy_from(bytes: &[u8]) -> Frame {
        let mut frame = Frame::new();
        fill(&mut frame.0, bytes);
        frame
    }

    /// A frame over a buffer that came from the [`reserve`], or may go there.
    pub(crate) fn from_own(buffer: Vec<u8>) -> Frame {
        if buffer.len() <= Self::INLINE_CAPACITY {
            Frame::copy_from(&buffer)
        } else {
            Frame(Storage::shared(reserve::share(buffer)))
        }
    }

    /// A frame with a copy of the first `length` bytes of `window`, at most all. Cheaper than
    /// [`copy_from`](Frame::copy_from): the size of the copy is known. What lies behind `length` is never shown.
    #[inline]
    pub(crate) fn copy_from_window(window: &[u8; Self::INLINE_CAPACITY], length: u8) -> Frame {
        Frame(Storage::of_window(window, length))
    }

    /// A body in place with what lies behind it, and its length.
    #[inline]
    pub(crate) fn as_window(&self) -> Option<(&[u8; storage::SIZE], u8)> {
        self.0.window()
    }

    /// A frame over static bytes; never copies or allocates.
    pub const fn from_static(bytes: &'static [u8]) -> Frame {
        Frame(Storage::shared(Bytes::from_static(bytes)))
    }

    /// The body.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self.0.view() {
            View::Body(bytes) => bytes,
            View::Shared(bytes) => bytes,
            View::Many(_) => &[],
        }
    }

    /// The body's length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the body is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`Utf8Error`] if it is not UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.as_bytes())
    }

    /// The body as text for showing: what is not UTF-8 becomes `U+FFFD`.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    /// The body as [`Bytes`]; copies it unless it has an allocation of its own.
    pub fn into_bytes(self) -> Bytes {
        match self.0.into_content() {
            Content::Shared(bytes) => bytes,
            Content::Body(storage) => Bytes::copy_from_slice(Frame(storage).as_bytes()),
            Content::Many(_) => Bytes::new(),
        }
    }

    /// The shared body, or `None` if it lives inline or in a block.
    pub fn as_shared(&self) -> Option<&Bytes> {
        match self.0.view() {
            View::Shared(bytes) => Some(bytes),
            View::Body(_) | View::Many(_) => None,
        }
    }
}

/// A frame in less room, for those who have no 72 bytes for each (a `zmq_msg_t` has 64): its body lies elsewhere, shared
/// or in a block.
#[derive(Clone, Debug)]
pub struct HeapBody(Place);

#[derive(Clone)]
enum Place {
    Shared(Bytes),
    Block(block::Piece),
}

const _: () = assert!(size_of::<HeapBody>() <= 40);

impl Frame {
    /// The frame with its body elsewhere; a body in place is copied there.
    pub fn into_heap(self) -> HeapBody {
        HeapBody(match self.0.into_piece() {
            Ok(piece) => Place::Block(piece),
            Err(storage) => match storage.into_content() {
                Content::Shared(bytes) => Place::Shared(bytes),
                Content::Body(storage) => return HeapBody::copy_from(Frame(storage).as_bytes()),
                Content::Many(_) => Place::Shared(Bytes::new()),
            },
        })
    }
}

/// Replaces what is there by a copy of `body`. Not inlined, so that a frame is filled where it is: the compiler has not
/// been seen to fill it where it is returned.
#[inline(never)]
fn fill(storage: &mut Storage, body: &[u8]) {
    if body.len() <= Frame::INLINE_CAPACITY {
        storage.fill(body);
    } else {
        fill_large(storage, body);
    }
}

#[inline(never)]
fn fill_large(storage: &mut Storage, body: &[u8]) {
    match copy_in_block(body) {
        Some(piece) => storage.set_piece(piece),
        None => *storage = Storage::shared(reserve::copy(body)),
    }
}

/// `None`: it is too large, or the thread ends and its blocks are gone.
#[inline]
fn copy_in_block(bytes: &[u8]) -> Option<block::Piece> {
    BLOCKS.try_with(|blocks| blocks.borrow_mut().copy(bytes)).ok().flatten()
}

impl HeapBody {
    /// A copy of `body`.
    #[inline]
    pub fn copy_from(body: &[u8]) -> HeapBody {
        HeapBody(copy_in_block(body).map_or_else(|| Place::Shared(reserve::copy(body)), Place::Block))
    }

    /// Whether somebody else may hold the same bytes. `false` is certain; `true` may be said of a large body that is ours
    /// alone and whose memory is used again.
    pub fn may_be_shared(&self) -> bool {
        match &self.0 {
            Place::Shared(bytes) => !bytes.is_unique(),
            Place::Block(_) => false,
        }
    }
}

impl Deref for HeapBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Shared(bytes) => bytes,
            Place::Block(piece) => piece.as_slice(),
        }
    }
}

impl From<HeapBody> for Frame {
    fn from(body: HeapBody) -> Frame {
        Frame(match body.0 {
            Place::Shared(bytes) => Storage::shared(bytes),
            Place::Block(piece) => Storage::in_block(piece),
        })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Shared(_) => "shared",
            Place::Block(_) => "in a block",
        })
    }
}

impl Default for Frame {
    fn default() -> Self {
        Frame::new()
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Frame) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Frame {}

impl PartialEq<[u8]> for Frame {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_bytes() == other
    }
}

impl PartialEq<&[u8]> for Frame {
    fn eq(&self, other: &&[u8]) -> bool {
        self.as_bytes() == *other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Frame {
    fn eq(&self, other: &[u8; N]) -> bool {
        self.as_bytes() == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Frame {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.as_bytes() == *other
    }
}

impl PartialEq<Vec<u8>> for Frame {
    fn eq(&self, other: &Vec<u8>) -> bool {
        self.as_bytes() == other.as_slice()
    }
}

impl PartialEq<str> for Frame {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Frame {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl std::hash::Hash for Frame {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let body = self.as_bytes();
        write!(f, "Frame({} B, b\"{}\"", body.len(), body[..body.len().min(SHOWN)].escape_ascii())?;
        f.write_str(if body.len() > SHOWN { "...)" } else { ")" })
    }
}

impl From<&[u8]> for Frame {
    fn from(bytes: &[u8]) -> Frame {
        Frame::copy_from(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    fn from(bytes: &[u8; N]) -> Frame {
        Frame::copy_from(bytes)
    }
}

impl<const N: usize> From<[u8; N]> for Frame {
    fn from(bytes: [u8; N]) -> Frame {
        Frame::copy_from(&bytes)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Frame {
        Frame::copy_from(text.as_bytes())
    }
}

impl From<&String> for Frame {
    fn from(text: &String) -> Frame {
        Frame::copy_from(text.as_bytes())
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Frame {
        Frame::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Frame {
        if bytes.len() <= Self::INLINE_CAPACITY {
            Frame::copy_from(&bytes)
        } else {
            Frame(Storage::shared(Bytes::from(bytes)))
        }
    }
}

impl From<Box<[u8]>> for Frame {
    fn from(bytes: Box<[u8]>) -> Frame {
        Frame::from(bytes.into_vec())
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Frame {
        Frame(Storage::shared(bytes))
    }
}

/// What a socket sends and receives: frames that arrive together or not at all.
///
/// ```
/// use zmq_core::Message;
///
/// let hello = Message::from("Hello");
/// assert_eq!(hello.as_str(), Ok("Hello"));
///
/// let weather = Message::from(["berlin", "21.5"]);
/// assert_eq!(weather.len(), 2);
/// assert_eq!(&weather[1], "21.5");
/// ```
// One frame is stored as that frame, any other number as a list.
#[derive(Clone)]
pub struct Message(Storage);

impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.frames() == other.frames()
    }
}

impl Eq for Message {}

/// A message taken apart.
enum Frames {
    One(Frame),
    Many(Vec<Frame>),
}

impl From<Frames> for Message {
    fn from(frames: Frames) -> Message {
        match frames {
            Frames::One(frame) => Message(frame.0),
            Frames::Many(frames) => Message(Storage::many(frames)),
        }
    }
}

impl Message {
    /// A message without frames, to be filled with [`push`](Message::push). A socket refuses to send it as it is;
    /// for a message with one empty frame say `Message::from("")`.
    pub const fn new() -> Message {
        Message(Storage::many(Vec::new()))
    }

    /// Takes the message out of its place, where one of an empty frame stays. Cheaper than `std::mem::replace`.
    #[inline]
    pub(crate) fn take(&mut self) -> Message {
        Message(self.0.take())
    }

    /// As [`take`](Message::take), in place of what is in `into`.
    #[inline]
    pub(crate) fn take_into(&mut self, into: &mut Message) {
        self.0.take_into(&mut into.0);
    }

    fn take_apart(self) -> Frames {
        match self.0.into_content() {
            Content::Body(storage) => Frames::One(Frame(storage)),
            Content::Shared(bytes) => Frames::One(Frame::from(bytes)),
            Content::Many(frames) => Frames::Many(frames),
        }
    }

    /// Replaces what is in it by one frame, with a copy of `body`. Cheaper than another message: it does not move.
    #[inline]
    pub fn set(&mut self, body: &[u8]) {
        fill(&mut self.0, body);
    }

    /// Takes the frame at `index` out, and leaves an empty one in its place. `None`: there is none.
    #[inline]
    pub fn take_frame(&mut self, index: usize) -> Option<Frame> {
        self.storage_of(index).map(|storage| Frame(storage.take()))
    }

    /// Takes the body of the frame at `index` out and leaves an empty one, if it lies in a block.
    #[inline]
    pub fn take_piece(&mut self, index: usize) -> Option<HeapBody> {
        self.storage_of(index)?.take_piece().map(|piece| HeapBody(Place::Block(piece)))
    }

    #[inline]
    fn storage_of(&mut self, index: usize) -> Option<&mut Storage> {
        if self.0.frames_mut().is_none() {
            return (index == 0).then_some(&mut self.0);
        }
        self.0.frames_mut()?.get_mut(index).map(|frame| &mut frame.0)
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        match self.0.frames_mut() {
            Some(frames) if !frames.is_empty() || frames.capacity() > 0 => frames.push(frame),
            Some(_) => *self = Message(frame.0),
            None => {
                let first = Frame(std::mem::replace(&mut self.0, Storage::many(Vec::new())));
                let mut frames = Vec::with_capacity(4);
                frames.extend([first, frame]);
                self.0 = Storage::many(frames);
            }
        }
    }

    /// Puts a frame before all others, as an envelope.
    pub fn push_front(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        *self = match std::mem::take(self).take_apart() {
            Frames::Many(frames) if frames.is_empty() => Message(frame.0),
            Frames::Many(mut frames) => {
                frames.insert(0, frame);
                Message(Storage::many(frames))
            }
            Frames::One(body) => Message(Storage::many(vec![frame, body])),
        };
    }

    /// Takes the first frame off; `None` if there is none.
    pub fn pop_front(&mut self) -> Option<Frame> {
        match std::mem::take(self).take_apart() {
            Frames::One(frame) => Some(frame),
            Frames::Many(frames) if frames.is_empty() => None,
            Frames::Many(mut frames) => {
                let first = frames.remove(0);
                *self = Message::from(frames);
                Some(first)
            }
        }
    }

    /// Splits off the frames from `at` on; this message keeps the ones before.
    pub fn split_off(&mut self, at: usize) -> Message {
        let front = self.take_front(at);
        std::mem::replace(self, Message::from(front))
    }

    /// Takes the first `count` frames off, an envelope, as a list: that in which they were, if one frame stays, which costs
    /// nothing.
    pub fn take_front(&mut self, count: usize) -> Vec<Frame> {
        let mut front = std::mem::take(self).into_frames();
        let rest = match front.len().checked_sub(count) {
            Some(1) => front.pop().map(Message::from),
            _ => Some(Message::from(front.split_off(count.min(front.len())))),
        };
        *self = rest.unwrap_or_default();
        front
    }

    /// One that stands for a bundle on its way to a connection; nobody else gets to see it.
    pub(crate) fn from_bundle(bundle: Bundle) -> Message {
        Message(Storage::bundle(bundle))
    }

    /// The bundle that it stands for.
    #[inline]
    pub(crate) fn as_bundle(&self) -> Option<&Bundle> {
        self.0.as_bundle()
    }

    /// The number of frames.
    pub fn len(&self) -> usize {
        self.frames().len()
    }

    /// Whether there is no frame at all (a frame of zero bytes is a frame).
    pub fn is_empty(&self) -> bool {
        self.frames().is_empty()
    }

    /// The bytes of all bodies together.
    #[inline]
    pub fn size(&self) -> usize {
        match self.0.view() {
            View::Body(bytes) => bytes.len(),
            View::Shared(bytes) => bytes.len(),
            View::Many(frames) => frames.iter().map(Frame::len).sum(),
        }
    }

    /// The frames.
    #[inline]
    pub fn frames(&self) -> &[Frame] {
        match self.0.view() {
            View::Many(frames) => frames,
            View::Body(_) | View::Shared(_) => std::slice::from_ref(self.0.as_frame()),
        }
    }

    /// The frames, owned.
    pub fn into_frames(self) -> Vec<Frame> {
        match self.take_apart() {
            Frames::One(frame) => vec![frame],
            Frames::Many(frames) => frames,
        }
    }

    /// Moves the frames to the end of a list, and leaves at most one, which is empty. Cheaper than to iterate over them: a
    /// single one needs no list of its own.
    pub fn append_to(&mut self, list: &mut Vec<Frame>) {
        match self.0.frames_mut() {
            Some(frames) => list.append(frames),
            None => list.push(Frame(self.0.take())),
        }
    }

    /// The frame at `index`.
    pub fn get(&self, index: usize) -> Option<&Frame> {
        self.frames().get(index)
    }

    /// The frames in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Frame> {
        self.frames().iter()
    }

    /// The body of the first frame; empty if there is no frame.
    #[inline]
    pub fn body(&self) -> &[u8] {
        match self.0.view() {
            View::Body(bytes) => bytes,
            View::Shared(bytes) => bytes,
            View::Many(frames) => frames.first().map_or(&[], Frame::as_bytes),
        }
    }

    /// The first frame as text.
    ///
    /// # Errors
    /// [`Utf8Error`] if it is not UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.body())
    }

    /// The only frame, or the message back if it has none or several.
    ///
    /// # Errors
    /// The message itself.
    pub fn into_single(self) -> Result<Frame, Message> {
        match self.take_apart() {
            Frames::One(frame) => Ok(frame),
            Frames::Many(mut frames) if frames.len() == 1 => Ok(frames.pop().unwrap_or_default()),
            frames @ Frames::Many(_) => Err(frames.into()),
        }
    }
}

/// The message without frames.
impl Default for Message {
    fn default() -> Self {
        Message::new()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message")?;
        f.debug_list().entries(self.iter()).finish()
    }
}

/// # Panics
/// If there is no frame `index`, as a slice does; see [`Message::get`].
impl Index<usize> for Message {
    type Output = Frame;

    fn index(&self, index: usize) -> &Frame {
        &self.frames()[index]
    }
}

impl<F: Into<Frame>> From<F> for Message {
    #[inline]
    fn from(body: F) -> Message {
        Message(body.into().0)
    }
}

impl<F: Into<Frame>> FromIterator<F> for Message {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Message {
        let mut message = Message::new();
        message.extend(frames);
        message
    }
}

impl<F: Into<Frame>> Extend<F> for Message {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        for frame in frames {
            self.push(frame);
        }
    }
}

impl IntoIterator for Message {
    type Item = Frame;
    type IntoIter = std::vec::IntoIter<Frame>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_frames().into_iter()
    }
}

impl<'a> IntoIterator for &'a Message {
    type Item = &'a Frame;
    type IntoIter = std::slice::Iter<'a, Frame>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Frame>> for Message {
    fn from(mut frames: Vec<Frame>) -> Message {
        match frames.len() {
            1 => frames.pop().map_or_else(Message::new, |frame| Message(frame.0)),
            _ => Message(Storage::many(frames)),
        }
    }
}

macro_rules! multipart_from {
    ($($part:ty),*) => {$(
        impl From<Vec<$part>> for Message {
            fn from(parts: Vec<$part>) -> Message {
                parts.into_iter().collect()
            }
        }

        impl<const N: usize> From<[$part; N]> for Message {
            fn from(parts: [$part; N]) -> Message {
                parts.into_iter().collect()
            }
        }
    )*};
}

multipart_from!(&str, String, &[u8], Vec<u8>, Bytes);

impl<const N: usize> From<[Frame; N]> for Message {
    fn from(parts: [Frame; N]) -> Message {
        Message::from(Vec::from(parts))
    }
}

macro_rules! multipart_from_tuple {
    ($($name:ident)*) => {
        impl<$($name: Into<Frame>),*> From<($($name,)*)> for Message {
            #[allow(non_snake_case)]
            fn from(($($name,)*): ($($name,)*)) -> Message {
                Message::from(vec![$($name.into()),*])
            }
        }
    };
}

multipart_from_tuple!(A B);
multipart_from_tuple!(A B C);
multipart_from_tuple!(A B C D);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_are_inline_and_large_ones_shared() {
        assert!(Frame::from(&[7; Frame::INLINE_CAPACITY]).as_shared().is_none());
        assert!(Frame::from(&[7; Frame::INLINE_CAPACITY + 1]).as_shared().is_none(), "in a block");
        assert!(Frame::from(&[7; 4097]).as_shared().is_some());
        let body = Bytes::from(vec![1; 4096]);
        let frame = Frame::from(body.clone());
        assert_eq!(frame.clone().into_bytes().as_ptr(), body.as_ptr());
    }

    #[test]
    fn a_body_elsewhere_is_the_same_body() {
        let shared = Bytes::from(vec![3; 5000]);
        let bodies = [vec![1; 0], vec![1; 70], vec![2; 71], vec![2; 4096], vec![3; 5000]];
        for body in bodies {
            let elsewhere = Frame::from(body.as_slice()).into_heap();
            assert_eq!(*elsewhere, body[..]);
            assert_eq!(Frame::from(elsewhere.clone()), body);
            assert_eq!(Frame::from(elsewhere), body);
        }
        let elsewhere = Frame::from(shared.clone()).into_heap();
        assert!(elsewhere.may_be_shared());
        assert_eq!(elsewhere.as_ptr(), shared.as_ptr(), "not copied");
        drop(shared);
        assert!(!elsewhere.may_be_shared());
    }

    #[test]
    fn envelopes_come_and_go() {
        let mut message = Message::from("body");
        message.push_front("");
        message.push_front("id");
        assert_eq!(message.len(), 3);
        assert_eq!(message.pop_front(), Some(Frame::from("id")));
        assert_eq!(message.pop_front(), Some(Frame::new()));
        assert_eq!(message, Message::from("body"));
        assert_eq!(message.pop_front(), Some(Frame::from("body")));
        assert_eq!(message.pop_front(), None);
        assert!(message.is_empty());
        let frames = [Frame::from("id"), Frame::new(), Frame::from("a"), Frame::from("b")];
        for count in 0..6 {
            let (mut message, at) = (Message::from(frames.clone()), count.min(4));
            assert_eq!(message.take_front(count), frames[..at]);
            assert_eq!(message.frames(), &frames[at..]);
            let mut list = vec![Frame::from("first")];
            let mut rest = message.clone();
            message.append_to(&mut list);
            assert_eq!((&list[1..], message.size()), (&frames[at..], 0));
            for (index, frame) in frames[at..].iter().enumerate() {
                assert_eq!(rest.take_frame(index).as_ref(), Some(frame));
                assert_eq!(rest.take_frame(index), Some(Frame::new()), "what stays");
            }
            assert_eq!(rest.take_frame(4 - at), None);
        }
    }

    #[test]
    fn conversions_keep_every_byte() {
        let expected: Message = [Frame::from("a"), Frame::from("bc")].into();
        assert_eq!(Message::from(["a", "bc"]), expected);
        assert_eq!(Message::from(vec![b"a".to_vec(), b"bc".to_vec()]), expected);
        assert_eq!(Message::from(("a", vec![b'b', b'c'])), expected);
        assert_eq!(["a", "bc"].into_iter().collect::<Message>(), expected);
        let mut head = expected.clone();
        let tail = head.split_off(1);
        assert_eq!((head, tail), (Message::from("a"), Message::from("bc")));
        assert_eq!(Message::from(String::from("x")).into_single(), Ok(Frame::from("x")));
        assert_eq!(expected.clone().into_single(), Err(expected));
    }

    #[test]
    fn long_bodies_are_cut_when_shown() {
        let shown = format!("{:?}", Message::from(vec![b'x'; 100]));
        assert!(shown.contains("100 B") && shown.contains("...") && shown.len() < 120, "{shown}");
    }
}
