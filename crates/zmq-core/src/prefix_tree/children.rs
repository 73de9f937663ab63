//! From a node and a byte to the child below: tables that grow with the number of children.

use super::pool::Pool;

/// The children of one node: none, one in place, or a table whose size follows from `count` alone.
///
/// Invariant: `reference` is the child itself with `count == 1`, and the slot of a table in the
/// [`ChildTables`] with more: in `small` up to 3, in `medium` up to 12, in `large` up to 48, and in `full`
/// above.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Children {
    reference: u32,
    count: u16,
    /// The first byte of the only child. Meaningful with `count == 1`.
    only_byte: u8,
}

impl Children {
    fn one(byte: u8, child: u32) -> Self {
        Self { reference: child, count: 1, only_byte: byte }
    }

    pub(super) fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The child that has no siblings.
    pub(super) fn only(self) -> Option<u32> {
        (self.count == 1).then_some(self.reference)
    }
}

/// The tables of all nodes of a tree, in sizes of 16, 64, 240 and 1024 bytes: the first two fill cache lines
/// evenly, and ten digits fit into one.
#[derive(Debug, Clone, Default)]
pub(super) struct ChildTables {
    small: Pool<Table<3>>,
    medium: Pool<Table<12>>,
    large: Pool<Table<48>>,
    full: Pool<FullTable>,
}

impl ChildTables {
    #[inline]
    pub(super) fn find(&self, children: Children, byte: u8) -> Option<u32> {
        let Children { reference, count, only_byte } = children;
        match count {
            0 => None,
            1 => (only_byte == byte).then_some(reference),
            2..=3 => self.small[reference].find(count, byte),
            4..=12 => self.medium[reference].find(count, byte),
            13..=48 => self.large[reference].find(count, byte),
            _ => self.full[reference].find(byte),
        }
    }

    /// Adds a child under a byte that leads nowhere so far.
    pub(super) fn insert(&mut self, children: &mut Children, byte: u8, child: u32) {
        let Children { reference, count, only_byte } = *children;
        match count {
            0 => return *children = Children::one(byte, child),
            1 => {
                let only = Table::default().with(0, only_byte, reference);
                children.reference = self.small.insert(only.with(1, byte, child));
            }
            3 => {
                let grown = self.small.remove(reference).resized(count);
                children.reference = self.medium.insert(grown.with(count, byte, child));
            }
            12 => {
                let grown = self.medium.remove(reference).resized(count);
                children.reference = self.large.insert(grown.with(count, byte, child));
            }
            48 => {
                let mut grown = FullTable::of(&self.large.remove(reference));
                grown.set(byte, child);
                children.reference = self.full.insert(grown);
            }
            2 => self.small[reference].set(count, byte, child),
            4..=11 => self.medium[reference].set(count, byte, child),
            13..=47 => self.large[reference].set(count, byte, child),
            _ => self.full[reference].set(byte, child),
        }
        children.count += 1;
    }

    /// Puts `child` in the place of the one under `byte`.
    pub(super) fn replace(&mut self, children: &mut Children, byte: u8, child: u32) {
        let Children { reference, count, .. } = *children;
        match count {
            0..=1 => children.reference = child,
            2..=3 => self.small[reference].replace(count, byte, child),
            4..=12 => self.medium[reference].replace(count, byte, child),
            13..=48 => self.large[reference].replace(count, byte, child),
            _ => self.full[reference].set(byte, child),
        }
    }

    /// Takes the child under `byte` away.
    pub(super) fn remove(&mut self, children: &mut Children, byte: u8) {
        let Children { reference, count, .. } = *children;
        match count {
            0..=1 => return *children = Children::default(),
            2 => return *children = self.small.remove(reference).without(count, byte).first(),
            4 => {
                let shrunk = self.medium.remove(reference).without(count, byte).resized(count - 1);
                children.reference = self.small.insert(shrunk);
            }
            13 => {
                let shrunk = self.large.remove(reference).without(count, byte).resized(count - 1);
                children.reference = self.medium.insert(shrunk);
            }
            49 => {
                let mut full = self.full.remove(reference);
                full.set(byte, NOWHERE);
                children.reference = self.large.insert(full.shrunk());
            }
            3 => self.small[reference].remove(count, byte),
            5..=12 => self.medium[reference].remove(count, byte),
            14..=48 => self.large[reference].remove(count, byte),
            _ => self.full[reference].set(byte, NOWHERE),
        }
        children.count -= 1;
    }

    /// How many tables of each size are in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> [usize; 4] {
        [self.small.used(), self.medium.used(), self.large.used(), self.full.used()]
    }
}

/// A few children, in no order. How many is known to their node.
#[repr(align(16))]
#[derive(Debug, Clone)]
struct Table<const SIZE: usize> {
    bytes: [u8; SIZE],
    children: [u32; SIZE],
}

impl<const SIZE: usize> Default for Table<SIZE> {
    fn default() -> Self {
        Self { bytes: [0; SIZE], children: [NOWHERE; SIZE] }
    }
}

impl<const SIZE: usize> Table<SIZE> {
    fn set(&mut self, place: u16, byte: u8, child: u32) {
        self.bytes[usize::from(place)] = byte;
        self.children[usize::from(place)] = child;
    }

    fn with(mut self, place: u16, byte: u8, child: u32) -> Self {
        self.set(place, byte, child);
        self
    }

    fn replace(&mut self, count: u16, byte: u8, child: u32) {
        if let Some(place) = self.position(count, byte) {
            self.children[place] = child;
        }
    }

    fn remove(&mut self, count: u16, byte: u8) {
        let last = usize::from(count) - 1;
        if let Some(place) = self.position(count, byte) {
            self.bytes[place] = self.bytes[last];
            self.children[place] = self.children[last];
        }
    }

    fn without(mut self, count: u16, byte: u8) -> Self {
        self.remove(count, byte);
        self
    }

    #[inline]
    fn find(&self, count: u16, byte: u8) -> Option<u32> {
        self.position(count, byte).map(|place| self.children[place])
    }

    /// The place of `byte`.
    ///
    /// Looks beyond `count` too, where copies of what moved or was removed may lie, but then finds a place
    /// that is refused, because what is in use comes first.
    #[inline]
    fn position(&self, count: u16, byte: u8) -> Option<usize> {
        let place = self.bytes.chunks(16).zip(0..).find_map(|(chunk, number)| {
            let place = first_equal(chunk, byte);
            (place < 16).then_some(place + 16 * number)
        })?;
        (place < usize::from(count)).then_some(place)
    }

    fn first(&self) -> Children {
        Children::one(self.bytes[0], self.children[0])
    }

    /// The first `count` children in a table of another size.
    fn resized<const OTHER: usize>(&self, count: u16) -> Table<OTHER> {
        let count = usize::from(count);
        let mut table = Table::default();
        table.bytes[..count].copy_from_slice(&self.bytes[..count]);
        table.children[..count].copy_from_slice(&self.children[..count]);
        table
    }
}

/// The place of the first of up to 16 bytes that equals `byte`; 16 if none does, or a place past the end.
///
/// All are compared at once: a loop would end at an unforeseeable one, and a mispredicted branch per level is
/// more than all else that matching does.
#[inline]
fn first_equal(bytes: &[u8], byte: u8) -> usize {
    const ONES: u128 = u128::from_le_bytes([0x01; 16]);
    const HIGHS: u128 = u128::from_le_bytes([0x80; 16]);
    let mut padded = [0; 16];
    padded[..bytes.len()].copy_from_slice(bytes);
    // Equal bytes differ by zero, and subtracting one sets the high bit of a zero. Borrows spoil only what
    // stands above the lowest zero.
    let differences = u128::from_le_bytes(padded) ^ (ONES * u128::from(byte));
    let zeros = differences.wrapping_sub(ONES) & !differences & HIGHS;
    (zeros.trailing_zeros() / 8) as usize
}

/// A place for every byte.
#[derive(Debug, Clone)]
struct FullTable([u32; 256]);

/// Where a byte of a [`FullTable`] leads that has no child: the root, which is nobody's child.
const NOWHERE: u32 = super::ROOT;

impl Default for FullTable {
    fn default() -> Self {
        Self([NOWHERE; 256])
    }
}

impl FullTable {
    /// The children of a small table in which all places are used.
    fn of<const SIZE: usize>(small: &Table<SIZE>) -> Self {
        let mut table = Self::default();
        for (byte, child) in small.bytes.iter().zip(&small.children) {
            table.set(*byte, *child);
        }
        table
    }

    fn set(&mut self, byte: u8, child: u32) {
        self.0[usize::from(byte)] = child;
    }

    #[inline]
    fn find(&self, byte: u8) -> Option<u32> {
        let child = self.0[usize::from(byte)];
        (child != NOWHERE).then_some(child)
    }

    /// The same children, SIZE at most, in a small table.
    fn shrunk<const SIZE: usize>(&self) -> Table<SIZE> {
        let mut table = Table::default();
        let used = (0..=u8::MAX).zip(self.0).filter(|(_, child)| *child != NOWHERE);
        for (place, (byte, child)) in (0..).zip(used) {
            table.set(place, byte, child);
        }
        table
    }
}
