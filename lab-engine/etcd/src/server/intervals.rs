//! Ranges of keys, to find those that a key is in (`pkg/adt/interval_tree.go`).
//!
//! A treap by the first key; each node knows how far any range below it goes. A key's ranges are found in time proportional to their number and the
//! tree's depth. A node's priority is a checksum of its range, so that the tree has the same form in whatever order it came to be.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Makes priorities of ranges.
const MIX: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// Where a range ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Before this key.
    Before(Arc<str>),
    /// Nowhere.
    Never,
}

impl End {
    fn is_after(&self, key: &str) -> bool {
        match self {
            End::Before(end) => key < &**end,
            End::Never => true,
        }
    }
}

/// A range: its first key, and its end.
pub(crate) type Interval = (Arc<str>, End);

#[derive(Debug)]
struct Node<T> {
    range: Interval,
    values: BTreeSet<T>,
    priority: u32,
    /// The farthest end of this range and all below.
    farthest: End,
    left: Link<T>,
    right: Link<T>,
}

type Link<T> = Option<Box<Node<T>>>;

impl<T> Node<T> {
    /// Looks again how far the ranges go.
    fn measured(mut self: Box<Self>) -> Box<Self> {
        let below = [&self.left, &self.right].into_iter().flatten().map(|node| &node.farthest);
        self.farthest = below.chain([&self.range.1]).max().unwrap_or(&self.range.1).clone();
        self
    }
}

/// Values by range. A value may stand at several ranges, at each once.
#[derive(Debug)]
pub(crate) struct Intervals<T> {
    root: Link<T>,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Intervals { root: None }
    }
}

impl<T: Ord> Intervals<T> {
    /// Adds a value at a range.
    pub(crate) fn insert(&mut self, range: Interval, value: T) {
        let mut at = &mut self.root;
        while let Some(node) = at {
            at = match range.cmp(&node.range) {
                std::cmp::Ordering::Less => &mut node.left,
                std::cmp::Ordering::Greater => &mut node.right,
                std::cmp::Ordering::Equal => {
                    node.values.insert(value);
                    return;
                }
            };
        }
        let mut mix = MIX.digest();
        mix.update(range.0.as_bytes());
        if let End::Before(end) = &range.1 {
            mix.update(&[0]);
            mix.update(end.as_bytes());
        }
        let (priority, farthest) = (mix.finalize(), range.1.clone());
        let (less, more) = split(self.root.take(), &range);
        let node = Node { range, values: BTreeSet::from([value]), priority, farthest, left: None, right: None };
        self.root = merge(merge(less, Some(Box::new(node))), more);
    }

    /// Takes a value away from a range.
    pub(crate) fn remove(&mut self, range: &Interval, value: &T) {
        self.root = without(self.root.take(), range, value);
    }

    /// The values of the ranges that a key is in, range by range.
    pub(crate) fn at<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a T> {
        let mut open: Vec<&Node<T>> = self.root.as_deref().into_iter().collect();
        let next = move || {
            while let Some(node) = open.pop() {
                if !node.farthest.is_after(key) {
                    continue;
                }
                open.extend(node.left.as_deref());
                if &*node.range.0 <= key {
                    open.extend(node.right.as_deref());
                    if node.range.1.is_after(key) {
                        return Some(&node.values);
                    }
                }
            }
            None
        };
        std::iter::from_fn(next).flatten()
    }

    /// Whether there is none.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }
}

/// The nodes before a range, and the others.
fn split<T>(link: Link<T>, range: &Interval) -> (Link<T>, Link<T>) {
    let Some(mut node) = link else { return (None, None) };
    if node.range < *range {
        let (less, more) = split(node.right.take(), range);
        node.right = less;
        (Some(node.measured()), more)
    } else {
        let (less, more) = split(node.left.take(), range);
        node.left = more;
        (less, Some(node.measured()))
    }
}

/// One tree of two, of which the first has the lower ranges.
fn merge<T>(low: Link<T>, high: Link<T>) -> Link<T> {
    match (low, high) {
        (None, tree) | (tree, None) => tree,
        (Some(mut low), Some(high)) if low.priority > high.priority => {
            low.right = merge(low.right.take(), Some(high));
            Some(low.measured())
        }
        (low, Some(mut high)) => {
            high.left = merge(low, high.left.take());
            Some(high.measured())
        }
    }
}

fn without<T: Ord>(link: Link<T>, range: &Interval, value: &T) -> Link<T> {
    let mut node = link?;
    match range.cmp(&node.range) {
        std::cmp::Ordering::Less => node.left = without(node.left.take(), range, value),
        std::cmp::Ordering::Greater => node.right = without(node.right.take(), range, value),
        std::cmp::Ordering::Equal => {
            node.values.remove(value);
            if node.values.is_empty() {
                return merge(node.left.take(), node.right.take());
            }
        }
    }
    Some(node.measured())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(start: &str, end: &str) -> Interval {
        (start.into(), if end.is_empty() { End::Never } else { End::Before(end.into()) })
    }

    #[test]
    fn a_range_has_its_first_key_and_not_its_end() {
        let mut all = Intervals::default();
        all.insert(range("b", "d"), 1);
        all.insert(range("c", ""), 2);
        all.insert(range("b", "d"), 3);
        let at = |key| all.at(key).copied().collect::<Vec<i32>>();
        assert_eq!((at("a"), at("b"), at("czz"), at("d")), (vec![], vec![1, 3], vec![1, 3, 2], vec![2]));
        all.remove(&range("b", "d"), &1);
        all.remove(&range("b", "d"), &3);
        all.remove(&range("c", ""), &2);
        assert!(all.is_empty());
    }

    proptest! {
        #[test]
        fn it_finds_what_a_look_at_each_range_finds(
            steps in prop::collection::vec((any::<bool>(), "[a-d]{0,2}", "[a-e]{0,2}", 0_u8..4), 1..80),
            key in "[a-e]{0,3}",
        ) {
            let (mut tree, mut list) = (Intervals::default(), BTreeSet::new());
            for (adds, start, end, value) in steps {
                let range = range(&start, &end);
                if adds {
                    tree.insert(range.clone(), value);
                    list.insert((range, value));
                } else {
                    tree.remove(&range, &value);
                    list.remove(&(range, value));
                }
            }
            let mut found: Vec<u8> = tree.at(&key).copied().collect();
            found.sort_unstable();
            let inside = list.iter().filter(|((start, end), _)| **start <= *key && end.is_after(&key));
            let mut wanted: Vec<u8> = inside.map(|(_, value)| *value).collect();
            wanted.sort_unstable();
            prop_assert_eq!(found, wanted);
        }
    }
}
