//! What frames and messages are made of: 72 bytes that move as one block.
//!
//! An `enum` would do the same without `unsafe`, and did. But the compiler folds the tags of `Option` and `Result` into
//! the tag of such an `enum`, and then moves tag and body separately, at odd offsets; each load of a message that was
//! just stored then waits for the store to leave the processor's queue, ten times on the way of one message. A union
//! has no tag to fold into, so a message moves in whole words.

#![allow(unsafe_code)]

use super::Frame;
use bytes::Bytes;
use std::mem::ManuallyDrop;

/// The largest body kept in place.
pub(super) const CAPACITY: usize = 70;

/// The tag is the length of a body in place, at most `CAPACITY`, or one of these.
const SHARED: u8 = 254;
const MANY: u8 = 255;

/// A body in place, a shared body, or several frames.
///
/// Invariant: the tag, which lies at the same place in every field and is always initialized, tells which field may
/// be read: `inline` up to `CAPACITY`, `shared` for `SHARED`, `many` for `MANY`.
pub(super) union Storage {
    inline: Inline,
    shared: ManuallyDrop<Shared>,
    many: ManuallyDrop<Many>,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Inline {
    data: [u8; CAPACITY],
    unused: u8,
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

const TAG: usize = std::mem::offset_of!(Inline, tag);
const _: () = assert!(size_of::<Storage>() == 72 && size_of::<Shared>() == 72 && size_of::<Many>() == 72);
const _: () = assert!(std::mem::offset_of!(Shared, tag) == TAG && std::mem::offset_of!(Many, tag) == TAG);

/// What it holds, to look at.
pub(super) enum View<'a> {
    Inline(&'a [u8]),
    Shared(&'a Bytes),
    Many(&'a [Frame]),
}

/// What it holds, to have.
pub(super) enum Content {
    Inline(Storage),
    Shared(Bytes),
    Many(Vec<Frame>),
}

impl Storage {
    /// A body of no bytes.
    pub(super) const fn empty() -> Storage {
        Storage { inline: Inline { data: [0; CAPACITY], unused: 0, tag: 0 } }
    }

    /// The first `length` bytes of `data`, at most all.
    #[inline]
    pub(super) fn inline(data: [u8; CAPACITY], length: usize) -> Storage {
        Storage { inline: Inline { data, unused: 0, tag: length.min(CAPACITY) as u8 } }
    }

    pub(super) const fn shared(bytes: Bytes) -> Storage {
        let shared = Shared { bytes, padding: [0; TAG - size_of::<Bytes>()], tag: SHARED };
        Storage { shared: ManuallyDrop::new(shared) }
    }

    pub(super) const fn many(frames: Vec<Frame>) -> Storage {
        let many = Many { frames, padding: [0; TAG - size_of::<Vec<Frame>>()], tag: MANY };
        Storage { many: ManuallyDrop::new(many) }
    }

    #[inline]
    fn tag(&self) -> u8 {
        // SAFETY: the tag is initialized whatever the storage holds, and lies at the same place.
        unsafe { self.inline.tag }
    }

    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        match self.tag() {
            // SAFETY: the tag says which field it is.
            SHARED => View::Shared(unsafe { &self.shared.bytes }),
            // SAFETY: the same.
            MANY => View::Many(unsafe { &self.many.frames }),
            // SAFETY: the same; the tag is a length of at most `CAPACITY`.
            length => View::Inline(unsafe { self.inline.data.get_unchecked(..usize::from(length)) }),
        }
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

    pub(super) fn into_content(self) -> Content {
        let mut storage = ManuallyDrop::new(self);
        match storage.tag() {
            // SAFETY: the tag says that it is this field; it is taken once, since `storage` is not dropped.
            SHARED => Content::Shared(unsafe { ManuallyDrop::take(&mut storage.shared) }.bytes),
            // SAFETY: the same.
            MANY => Content::Many(unsafe { ManuallyDrop::take(&mut storage.many) }.frames),
            // SAFETY: the tag says that it is this field, which is `Copy`.
            _ => Content::Inline(Storage { inline: unsafe { storage.inline } }),
        }
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
            MANY => unsafe { ManuallyDrop::drop(&mut self.many) },
            _ => {}
        }
    }
}

impl Clone for Storage {
    #[inline]
    fn clone(&self) -> Storage {
        match self.view() {
            // SAFETY: the view says that it is this field, which is `Copy`.
            View::Inline(_) => Storage { inline: unsafe { self.inline } },
            View::Shared(bytes) => Storage::shared(bytes.clone()),
            View::Many(frames) => Storage::many(frames.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn view(storage: &Storage) -> Vec<Vec<u8>> {
        match storage.view() {
            View::Inline(bytes) => vec![bytes.to_vec()],
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
                    let mut data = [0xAA; CAPACITY];
                    data[..body.len()].copy_from_slice(body);
                    Storage::inline(data, body.len())
                }
                [body] => Storage::shared(Bytes::from(body.clone())),
                bodies => Storage::many(bodies.iter().map(|body| Frame::from(body.clone())).collect()),
            };
            let moved = vec![Some(storage.clone()), None, Some(storage)];
            for storage in moved.into_iter().flatten() {
                prop_assert_eq!(view(&storage), bodies.clone());
                let back = match storage.into_content() {
                    Content::Inline(storage) => view(&storage),
                    Content::Shared(bytes) => vec![bytes.to_vec()],
                    Content::Many(frames) => frames.iter().map(|frame| frame.to_vec()).collect(),
                };
                prop_assert_eq!(back, bodies.clone());
            }
        }
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
