//! What frames and messages are made of: 72 bytes that move as one block.
//!
//! An `enum` would do the same without `unsafe`, and did. But the compiler folds the tags of `Option` and `Result` into
//! the tag of such an `enum`, and then moves tag and body separately, at odd offsets; each load of a message that was
//! just stored then waits for the store to leave the processor's queue, ten times on the way of one message. A union
//! has no tag to fold into, so a message moves in whole words.

#![allow(unsafe_code)]

use super::block::Piece;
use super::{Frame, Message};
use crate::bundle::Bundle;
use crate::pipe::Vacate;
use bytes::Bytes;
use std::mem::ManuallyDrop;

/// The largest body kept in place.
pub(super) const CAPACITY: usize = 70;
const HEAD: usize = 64;

/// The tag is the length of a body in place, at most `CAPACITY`, or one of these.
const BUNDLE: u8 = 252;
const PIECE: u8 = 253;
const SHARED: u8 = 254;
const MANY: u8 = 255;

/// A body in place, in a block, or shared, or several frames; or a bundle of messages, which shows as no frame at all.
///
/// Invariant: the tag, which lies at the same place in every field and is always initialized, tells which field may
/// be read: `inline` up to `CAPACITY`, `piece` for `PIECE`, `shared` for `SHARED`, `many` for `MANY`, `bundle` for
/// `BUNDLE`.
pub(super) union Storage {
    inline: Inline,
    piece: ManuallyDrop<InBlock>,
    shared: ManuallyDrop<Shared>,
    many: ManuallyDrop<Many>,
    bundle: ManuallyDrop<InBundle>,
}

/// The body lies in `head` and the beginning of `tail`, without a gap. Written and read in these pieces, of the sizes in
/// which the whole is moved: a load that spans two recent stores would wait for both to reach the cache.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Inline {
    head: [u8; HEAD],
    /// The rest of the body, an unused byte, the tag.
    tail: [u8; 8],
}

#[repr(C, align(8))]
struct InBlock {
    piece: Piece,
    padding: [u8; TAG - size_of::<Piece>()],
    tag: u8,
}

#[repr(C, align(8))]
struct Shared {
    bytes: Bytes,
    padding: [u8; TAG - size_of::<Bytes>()],
    tag: u8,
}

#[repr(C, align(8))]
struct Many {
    frames: Vec<Frame>,
    padding: [u8; TAG - size_of::<Vec<Frame>>()],
    tag: u8,
}

#[repr(C, align(8))]
struct InBundle {
    bundle: Bundle,
    padding: [u8; TAG - size_of::<Bundle>()],
    tag: u8,
}

const TAG: usize = 71;
/// What a message takes, and what is cheapest to copy.
pub(super) const SIZE: usize = 72;
const _: () = assert!(size_of::<Storage>() == SIZE && size_of::<Shared>() == 72 && size_of::<Many>() == 72);
const _: () = assert!(std::mem::offset_of!(Inline, tail) + 7 == TAG);
const _: () = assert!(size_of::<InBlock>() == 72 && std::mem::offset_of!(InBlock, tag) == TAG);
const _: () = assert!(size_of::<InBundle>() == 72 && std::mem::offset_of!(InBundle, tag) == TAG);
const _: () = assert!(size_of::<Piece>() == 16 && size_of::<Bytes>() == 32 && size_of::<Vec<Frame>>() == 24);
const _: () = assert!(std::mem::offset_of!(Shared, tag) == TAG && std::mem::offset_of!(Many, tag) == TAG);

/// What it holds, to look at.
pub(super) enum View<'a> {
    /// In place, or in a block.
    Body(&'a [u8]),
    Shared(&'a Bytes),
    Many(&'a [Frame]),
}

/// What it holds, to have.
pub(super) enum Content {
    /// In place, or in a block.
    Body(Storage),
    Shared(Bytes),
    Many(Vec<Frame>),
}

impl Storage {
    /// A body of no bytes.
    pub(super) const fn empty() -> Storage {
        Storage { inline: Inline { head: [0; HEAD], tail: [0; 8] } }
    }

    /// Replaces the content by a copy of the beginning of `body`: of what fits in place.
    #[inline]
    pub(super) fn fill(&mut self, body: &[u8]) {
        if self.tag() > CAPACITY as u8 {
            *self = Storage::empty();
        }
        // SAFETY: the tag says, or says now, that it is this field, all of which is initialized then.
        let inline = unsafe { &mut self.inline };
        let length = body.len().min(CAPACITY);
        let (head, rest) = body[..length].split_at(length.min(HEAD));
        if !rest.is_empty() {
            inline.tail[..rest.len()].copy_from_slice(rest);
        }
        inline.tail = with_tag(inline.tail, length as u8);
        inline.head[..head.len()].copy_from_slice(head);
    }

    /// The first `length` bytes of `window`, at most all. Cheaper than a copy whose size is not known beforehand.
    #[inline]
    pub(super) fn of_window(window: &[u8; CAPACITY], length: u8) -> Storage {
        let (head, tail) = (window.first_chunk::<HEAD>(), window.last_chunk::<8>());
        let (Some(head), Some(tail)) = (head, tail) else { return Storage::empty() };
        // The last eight bytes of the window begin two bytes before the tail does.
        let rest = (u64::from_le_bytes(*tail) >> 16).to_le_bytes();
        Storage { inline: Inline { head: *head, tail: with_tag(rest, length.min(CAPACITY as u8)) } }
    }

    /// Replaces the content by a body in a block. Writes that and no more: all of it, as [`in_block`](Storage::in_block)
    /// makes it, would be put together elsewhere first.
    #[inline]
    pub(super) fn set_piece(&mut self, piece: Piece) {
        if self.tag() > CAPACITY as u8 {
            *self = Storage::empty();
        }
        // SAFETY: a body in place may be written over; the piece is the first field of `InBlock`, and the rest of that is
        // initialized.
        unsafe { (&raw mut self.piece).cast::<Piece>().write(piece) };
        // SAFETY: the tag lies at the same place in every field.
        unsafe { self.inline.tail[7] = PIECE };
    }

    /// Takes the content, and leaves an empty body.
    #[inline]
    pub(super) fn take(&mut self) -> Storage {
        // SAFETY: the content is the result's from here on: with its tag of an empty body in place the original no
        // longer claims it.
        let taken = unsafe { std::ptr::read(self) };
        self.forget();
        taken
    }

    /// As [`take`](Storage::take), in place of what is in `into`: one move, where an assignment takes two.
    #[inline]
    pub(super) fn take_into(&mut self, into: &mut Storage) {
        if into.tag() > CAPACITY as u8 {
            *into = Storage::empty();
        }
        // SAFETY: what is written over is an empty body or one in place, which owns nothing; the content is the result's
        // from here on, as the original forgets it.
        unsafe { std::ptr::from_mut(into).write(std::ptr::from_ref(self).read()) };
        self.forget();
    }

    /// An empty body is in its place; what was there is never dropped.
    #[inline]
    fn forget(&mut self) {
        self.inline.tail = [0; 8];
    }

    #[inline]
    pub(super) fn in_block(piece: Piece) -> Storage {
        let mut storage = Storage::empty();
        storage.set_piece(piece);
        storage
    }

    pub(super) const fn shared(bytes: Bytes) -> Storage {
        let shared = Shared { bytes, padding: [0; TAG - size_of::<Bytes>()], tag: SHARED };
        Storage { shared: ManuallyDrop::new(shared) }
    }

    pub(super) const fn many(frames: Vec<Frame>) -> Storage {
        let many = Many { frames, padding: [0; TAG - size_of::<Vec<Frame>>()], tag: MANY };
        Storage { many: ManuallyDrop::new(many) }
    }

    pub(super) fn bundle(bundle: Bundle) -> Storage {
        let bundle = InBundle { bundle, padding: [0; TAG - size_of::<Bundle>()], tag: BUNDLE };
        Storage { bundle: ManuallyDrop::new(bundle) }
    }

    #[inline]
    pub(super) fn as_bundle(&self) -> Option<&Bundle> {
        if self.tag() != BUNDLE {
            return None;
        }
        // SAFETY: the tag says that it is this field.
        Some(unsafe { &self.bundle.bundle })
    }

    #[inline]
    fn tag(&self) -> u8 {
        // SAFETY: the tag is initialized whatever the storage holds, and lies at the same place.
        unsafe { self.inline.tail[7] }
    }

    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        match self.tag() {
            // SAFETY: the tag says which field it is.
            SHARED => View::Shared(unsafe { &self.shared.bytes }),
            // SAFETY: the same.
            PIECE => View::Body(unsafe { &self.piece.piece }.as_slice()),
            // SAFETY: the same.
            MANY => View::Many(unsafe { &self.many.frames }),
            BUNDLE => View::Many(&[]),
            // SAFETY: the same; the tag is a length of at most `CAPACITY`.
            length => View::Body(unsafe {
                std::slice::from_raw_parts((&raw const self.inline).cast(), usize::from(length))
            }),
        }
    }

    /// A body in place with what lies behind it, and its length. Cheaper to copy than the body alone, since the size is known.
    #[inline]
    pub(super) fn window(&self) -> Option<(&[u8; SIZE], u8)> {
        let length = self.tag();
        if length > CAPACITY as u8 {
            return None;
        }
        // SAFETY: whatever it held before, all of it is initialized: no field has gaps, as their sizes show.
        Some((unsafe { &*(&raw const self.inline).cast() }, length))
    }

    /// The frame that this is, if it holds one body; otherwise one that shows as empty.
    #[inline]
    pub(super) fn as_frame(&self) -> &Frame {
        // SAFETY: `Frame` is a transparent wrapper of `Storage`, and takes any content.
        unsafe { &*std::ptr::from_ref(self).cast::<Frame>() }
    }

    /// The frames, to change them, if there are several.
    pub(super) fn frames_mut(&mut self) -> Option<&mut Vec<Frame>> {
        if self.tag() != MANY {
            return None;
        }
        // SAFETY: the tag says that it is this field.
        let many = unsafe { &mut *self.many };
        Some(&mut many.frames)
    }

    /// Takes the body out, if it is in a block, and leaves an empty one.
    #[inline]
    pub(super) fn take_piece(&mut self) -> Option<Piece> {
        if self.tag() != PIECE {
            return None;
        }
        // SAFETY: the tag says that it is this field; it is taken once, since the tag is another one now.
        let piece = unsafe { ManuallyDrop::take(&mut self.piece) }.piece;
        self.inline.tail = [0; 8];
        Some(piece)
    }

    /// The piece, if that is what it holds.
    pub(super) fn into_piece(self) -> Result<Piece, Storage> {
        if self.tag() != PIECE {
            return Err(self);
        }
        let mut storage = ManuallyDrop::new(self);
        // SAFETY: the tag says that it is this field; it is taken once, since `storage` is not dropped.
        Ok(unsafe { ManuallyDrop::take(&mut storage.piece) }.piece)
    }

    pub(super) fn into_content(self) -> Content {
        let mut storage = ManuallyDrop::new(self);
        match storage.tag() {
            // SAFETY: the tag says that it is this field; it is taken once, since `storage` is not dropped.
            SHARED => Content::Shared(unsafe { ManuallyDrop::take(&mut storage.shared) }.bytes),
            // SAFETY: the same.
            MANY => Content::Many(unsafe { ManuallyDrop::take(&mut storage.many) }.frames),
            _ => Content::Body(ManuallyDrop::into_inner(storage)),
        }
    }
}

/// `tail` with the tag in its place, which is the last byte.
#[inline]
fn with_tag(tail: [u8; 8], tag: u8) -> [u8; 8] {
    ((u64::from_le_bytes(tail) << 8 >> 8) | u64::from(tag) << 56).to_le_bytes()
}

// SAFETY: an empty body in place owns nothing.
unsafe impl Vacate for Message {
    #[inline]
    fn vacate(&mut self) {
        self.0.forget();
    }
}

impl Drop for Storage {
    #[inline]
    fn drop(&mut self) {
        if self.tag() <= CAPACITY as u8 {
            return;
        }
        self.drop_heap();
    }
}

impl Storage {
    #[inline(never)]
    fn drop_heap(&mut self) {
        match self.tag() {
            // SAFETY: the tag says that it is this field, and nobody uses it after this: called by `drop` only.
            SHARED => unsafe { ManuallyDrop::drop(&mut self.shared) },
            // SAFETY: the same.
            PIECE => unsafe { ManuallyDrop::drop(&mut self.piece) },
            // SAFETY: the same.
            MANY => unsafe { ManuallyDrop::drop(&mut self.many) },
            // SAFETY: the same.
            BUNDLE => unsafe { ManuallyDrop::drop(&mut self.bundle) },
            _ => {}
        }
    }
}

impl Clone for Storage {
    #[inline]
    fn clone(&self) -> Storage {
        match self.view() {
            // SAFETY: the tag says that it is this field.
            View::Body(_) if self.tag() == PIECE => Storage::in_block(unsafe { &self.piece.piece }.clone()),
            // SAFETY: the tag says that it is this field, which is `Copy`.
            View::Body(_) => Storage { inline: unsafe { self.inline } },
            View::Shared(bytes) => Storage::shared(bytes.clone()),
            View::Many(frames) => match self.as_bundle() {
                Some(bundle) => Storage::bundle(bundle.clone()),
                None => Storage::many(frames.to_vec()),
            },
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::message::block::Filler;
    use proptest::prelude::*;

    fn view(storage: &Storage) -> Vec<Vec<u8>> {
        match storage.view() {
            View::Body(bytes) => vec![bytes.to_vec()],
            View::Shared(bytes) => vec![bytes.to_vec()],
            View::Many(frames) => frames.iter().map(|frame| frame.to_vec()).collect(),
        }
    }

    proptest! {
        /// Every kind shows, clones, moves and comes apart as what went in; under a memory checker also: no leak, no
        /// double free.
        #[test]
        fn keeps_what_went_in(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..4)) {
            let storage = match bodies.as_slice() {
                [body] if body.len() <= CAPACITY => {
                    let mut window = [0xAA; CAPACITY];
                    window[..body.len()].copy_from_slice(body);
                    let storage = Storage::of_window(&window, body.len() as u8);
                    let mut set = Storage::empty();
                    set.set_piece(Filler::new().copy(body).expect("small enough"));
                    prop_assert_eq!(view(&set), view(&storage));
                    set.set_piece(Filler::new().copy(body).expect("small enough"));
                    let taken = set.take_piece().expect("a piece");
                    prop_assert_eq!(taken.as_slice(), &body[..]);
                    prop_assert!(set.take_piece().is_none());
                    prop_assert_eq!(view(&set), vec![Vec::<u8>::new()]);
                    for mut filled in [Storage::of_window(&[7; CAPACITY], 70), Storage::shared(Bytes::from(vec![7; 99]))] {
                        filled.fill(body);
                        prop_assert_eq!(view(&filled), view(&storage));
                    }
                    storage
                }
                [body] if body.len() % 2 == 0 => Storage::shared(Bytes::from(body.clone())),
                [body] => Storage::in_block(Filler::new().copy(body).expect("small enough")),
                bodies => Storage::many(bodies.iter().map(|body| Frame::from(body.clone())).collect()),
            };
            let mut original = storage.clone();
            for mut place in [Storage::empty(), Storage::shared(Bytes::from(vec![7; 99])), storage.clone()] {
                storage.clone().take_into(&mut place);
                prop_assert_eq!(view(&place), bodies.clone());
            }
            let taken = original.take();
            prop_assert_eq!(view(&original), vec![Vec::<u8>::new()]);
            let moved = vec![Some(storage), None, Some(taken)];
            for storage in moved.into_iter().flatten() {
                prop_assert_eq!(view(&storage), bodies.clone());
                let back = match storage.into_content() {
                    Content::Body(storage) => view(&storage),
                    Content::Shared(bytes) => vec![bytes.to_vec()],
                    Content::Many(frames) => frames.iter().map(|frame| frame.to_vec()).collect(),
                };
                prop_assert_eq!(back, bodies.clone());
            }
        }
    }

    #[test]
    fn bundles_show_as_nothing_and_are_given_up_once() {
        let bundle = Bundle::new(&Message::from("x"), 8);
        let mut storage = Storage::bundle(bundle.clone());
        let mut place = Storage::shared(Bytes::from(vec![7; 99]));
        storage.clone().take_into(&mut place);
        assert_eq!((view(&place), bundle.holders()), (Vec::new(), 3));
        place.fill(b"y");
        assert_eq!((view(&place), bundle.holders()), (vec![b"y".to_vec()], 2));
        let taken = storage.take();
        assert!(storage.as_bundle().is_none() && taken.as_bundle().is_some());
        let Content::Body(content) = taken.clone().into_content() else { panic!("not a bundle") };
        assert!(Frame(content).is_empty() && bundle.holders() == 2);
        drop((storage, taken, place));
        assert_eq!(bundle.holders(), 1);
    }

    #[test]
    fn shared_bodies_are_freed_once() {
        let bytes = Bytes::from(vec![1; 1000]);
        let storage = Storage::shared(bytes.clone());
        let copies = vec![storage.clone(); 5];
        drop((storage, copies));
        assert!(bytes.is_unique());
        let frames = Storage::many(vec![Frame::from(bytes.clone()); 3]);
        drop(frames.clone());
        assert!(!bytes.is_unique());
        drop(frames);
        assert!(bytes.is_unique());
    }
}
