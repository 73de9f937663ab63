//! Whether the next look-up comes out as the last one did.

use super::PrefixTree;

/// Remembers for which texts a look-up in a [`PrefixTree`] comes out as the last one did: for all that begin with the
/// [same bytes](PrefixTree::reach), as those of a publisher that stays with its topic do. Costs a few instructions where
/// the look-up costs a hundred.
///
/// It does not keep the outcome, and must [forget](Recent::forget) whenever the tree changes.
///
/// ```
/// use zmq_core::prefix_tree::{PrefixTree, Recent};
///
/// let mut tree = PrefixTree::new();
/// tree.insert(b"weather.", ());
/// let mut recent = Recent::default();
/// assert!(!recent.covers(b"weather.london: rain"));
/// recent.note(&tree, b"weather.london: rain");
/// assert!(recent.covers(b"weather.paris: sunshine"));
/// assert!(!recent.covers(b"news: none today"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Recent {
    /// The first bytes of the text, and a mask for those on which the outcome depends.
    known: Option<(u128, u128)>,
    /// Whether it has covered a text since it was noted.
    useful: bool,
    /// Look-ups that are not noted, and how many of them follow the next one that is noted in vain.
    skip: u32,
    penalty: u32,
}

/// Bytes that are remembered.
const HEAD: usize = size_of::<u128>();
/// Where the topic changes with each message, only each of so many look-ups is noted.
const MAX_PENALTY: u32 = 64;

impl Recent {
    /// Whether the look-up of `text` comes out as the one that was noted. Never for a text of less than 16 bytes.
    #[inline]
    pub fn covers(&mut self, text: &[u8]) -> bool {
        let (Some((head, mask)), Some(start)) = (self.known, text.first_chunk()) else { return false };
        let covers = (u128::from_le_bytes(*start) ^ head) & mask == 0;
        self.useful |= covers;
        covers
    }

    /// The look-up of `text`, which is not [covered](Recent::covers), is made now.
    #[inline]
    pub fn note<V>(&mut self, tree: &PrefixTree<V>, text: &[u8]) {
        if self.skip > 0 && !self.useful {
            self.skip -= 1;
            self.known = None;
        } else {
            self.learn(tree, text);
        }
    }

    /// The tree changes, or the outcome is not kept any more.
    pub fn forget(&mut self) {
        *self = Recent::default();
    }

    #[cold]
    fn learn<V>(&mut self, tree: &PrefixTree<V>, text: &[u8]) {
        let in_vain = !std::mem::take(&mut self.useful);
        self.penalty = if in_vain { (2 * self.penalty).clamp(1, MAX_PENALTY) } else { 1 };
        self.skip = self.penalty;
        let reach = tree.reach(text);
        self.known = text.first_chunk().filter(|_| reach <= HEAD).map(|start| {
            let mask = if reach == HEAD { u128::MAX } else { (1 << (8 * reach)) - 1 };
            (u128::from_le_bytes(*start), mask)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_of(keys: &[&str]) -> PrefixTree<()> {
        let mut tree = PrefixTree::new();
        for key in keys {
            tree.insert(key.as_bytes(), ());
        }
        tree
    }

    #[test]
    fn topics_that_change_are_noted_seldom_and_one_that_stays_is_covered() {
        let tree = tree_of(&["a", "b", "c", "d"]);
        let mut recent = Recent::default();
        let mut covered = |text: &[u8]| {
            let covered = recent.covers(text);
            if !covered {
                recent.note(&tree, text);
            }
            covered
        };
        assert!(!(0..1000).any(|turn| covered(&[b'a' + turn as u8 % 4; 20])));
        let first = (0..1000).position(|_| covered(&[b'a'; 20])).expect("noted at last");
        assert!(first <= MAX_PENALTY as usize + 1, "{first}");
        assert!((0..100).all(|turn| covered(&[&b"a"[..], &[turn; 20]].concat())), "the first byte decides");
        assert!(!covered(&[b'b'; 20]) && covered(&[b'b'; 20]), "what was useful is noted at once");
    }

    #[test]
    fn only_what_decides_counts() {
        let tree = tree_of(&["weather.london", "weather.paris", "news"]);
        for (text, reach, other, covered) in [
            ("weather.rome: sunshine", 9, "weather.r.........", true),
            ("weather.rome: sunshine", 9, "weather.paris.....", false),
            ("weather.rome: sunshine", 9, "weather.r", false),
            ("weather.london: sunshine", 14, "weather.london....", true),
            ("weather.london: sunshine", 14, "weather.londxn....", false),
            ("sports and all others", 1, "s.................", true),
            ("sports and all others", 1, "n.................", false),
            ("news of this evening", 4, "news..............", true),
            ("weather", 8, "weather...........", false),
        ] {
            assert_eq!(tree.reach(text.as_bytes()), reach, "{text}");
            let mut recent = Recent::default();
            recent.note(&tree, text.as_bytes());
            assert_eq!(recent.covers(other.as_bytes()), covered, "{text}, {other}");
            recent.forget();
            assert!(!recent.covers(text.as_bytes()));
        }
    }
}
