//! Sets of completion indexes, as a Job's status writes them: `0,2-4` (`indexed_job_utils.go`).

use std::fmt;

/// Indexes, as intervals that do not touch, in order. What a status says may name billions of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// Reads indexes below `completions`; what is no interval is passed over.
    pub(crate) fn parse(text: &str, completions: i32) -> Self {
        let mut indexes = Indexes::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) else { continue };
            let last = last.min(completions - 1);
            if first >= 0 && first <= last {
                indexes.add(first, last);
            }
        }
        indexes
    }

    /// Whether the index is among them.
    pub(crate) fn contains(&self, index: i32) -> bool {
        self.0.iter().any(|&(first, last)| (first..=last).contains(&index))
    }

    /// How many there are.
    pub(crate) fn total(&self) -> i32 {
        self.0.iter().map(|&(first, last)| last - first + 1).fold(0, i32::saturating_add)
    }

    /// Adds an index.
    pub(crate) fn insert(&mut self, index: i32) {
        self.add(index, index);
    }

    /// How many are in both.
    pub(crate) fn common(&self, other: &Indexes) -> i32 {
        let overlap = |a: &(i32, i32), b: &(i32, i32)| (a.1.min(b.1) - a.0.max(b.0) + 1).max(0);
        self.0.iter().flat_map(|a| other.0.iter().map(move |b| overlap(a, b))).fold(0, i32::saturating_add)
    }

    /// The indexes below `completions` that are not among them, in order.
    pub(crate) fn absent(&self, completions: i32) -> impl Iterator<Item = i32> + '_ {
        let ends = self.0.iter().map(|&(_, last)| last.saturating_add(1));
        let starts = self.0.iter().map(|&(first, _)| first).chain([completions]);
        std::iter::once(0).chain(ends).zip(starts).flat_map(move |(from, to)| from..to.min(completions))
    }

    /// Adds all of the others.
    pub(crate) fn extend(&mut self, other: &Indexes) {
        for &(first, last) in &other.0 {
            self.add(first, last);
        }
    }

    fn add(&mut self, mut first: i32, mut last: i32) {
        self.0.retain(|&(other_first, other_last)| {
            let apart = other_last < first.saturating_sub(1) || other_first > last.saturating_add(1);
            if !apart {
                first = first.min(other_first);
                last = last.max(other_last);
            }
            apart
        });
        let at = self.0.partition_point(|&(other, _)| other < first);
        self.0.insert(at, (first, last));
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &(first, last)) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_read_back_and_join() {
        let mut indexes = Indexes::parse("1,3-5,x,9-4,7-2000000000", 10);
        assert_eq!((indexes.to_string().as_str(), indexes.total()), ("1,3-5,7-9", 7));
        for index in [2, 6, 0] {
            indexes.insert(index);
        }
        assert_eq!(indexes.to_string(), "0-9");
        assert_eq!(Indexes::parse("0,1", 5).to_string(), "0,1");
        assert!(Indexes::parse("2-4", 5).contains(3) && !Indexes::parse("2-4", 5).contains(5));
        assert_eq!(Indexes::parse("1,3-5", 9).absent(8).collect::<Vec<_>>(), [0, 2, 6, 7]);
        assert_eq!(Indexes::parse("0-2147483645", i32::MAX).absent(i32::MAX).count(), 1);
        assert_eq!(Indexes::parse("0-3,8", 10).common(&Indexes::parse("2-8", 10)), 3);
    }
}
