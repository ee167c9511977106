//! Seeded randomness: one independent stream per component, all derived from the run's seed.
//!
//! A stream is ChaCha8 keyed by the run's seed and the component's name, so that adding a component, or a draw in one of them, leaves
//! the draws of all others as they were; so it is with the parts of a component. ChaCha is specified bit for bit; the numbers are the same on every platform and in every year.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};
use std::time::Duration;

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of the component `name`. The same seed and name always give the same stream.
    pub fn stream(self, name: &str) -> Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        for (lane, chunk) in key[8..].chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&fnv1a(name, lane as u64).to_le_bytes());
        }
        Rng(ChaCha8Rng::from_seed(key))
    }
}

/// FNV-1a over the name, with the lane mixed into the offset basis.
fn fnv1a(name: &str, lane: u64) -> u64 {
    let basis = 0xcbf2_9ce4_8422_2325 ^ lane.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    name.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A stream for the part `name` of this stream's component. It depends on where this stream comes from, not on what was drawn of it.
    pub fn stream(&self, name: &str) -> Rng {
        let mut key = self.0.get_seed();
        for (lane, chunk) in (4..).zip(key[8..].chunks_exact_mut(8)) {
            for (byte, mixed) in chunk.iter_mut().zip(fnv1a(name, lane).to_le_bytes()) {
                *byte ^= mixed;
            }
        }
        Rng(ChaCha8Rng::from_seed(key))
    }

    /// A number below `bound`, each equally likely; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        // Numbers at or above the largest multiple of `bound` are drawn again, so that no remainder is favoured.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.0.next_u64();
            if draw < limit {
                return draw % bound;
            }
        }
    }

    /// An index into a collection of `len` entries, each equally likely; 0 when it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("the draw is below a usize")
    }

    /// Whether something happens that has `parts_per_million` chances in a million.
    pub fn chance(&mut self, parts_per_million: u32) -> bool {
        self.below(1_000_000) < u64::from(parts_per_million)
    }

    /// A duration in `low..=high`, in whole nanoseconds; `low` when `high` is not above it.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high.saturating_sub(low).as_nanos();
        low + Duration::from_nanos(self.below(u64::try_from(span).unwrap_or(u64::MAX - 1) + 1))
    }

    /// `base` lengthened by a random part of up to `factor_percent` of it (`wait.Jitter` of apimachinery).
    pub fn jitter(&mut self, base: Duration, factor_percent: u32) -> Duration {
        self.duration(base, base + base * factor_percent / 100)
    }

    /// `len` characters that can stand in a generated name: the alphabet of apimachinery's `rand.String`, which has no vowels and no
    /// look-alikes.
    pub fn name_suffix(&mut self, len: usize) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..len).map(|_| char::from(ALPHABET[self.index(ALPHABET.len())])).collect()
    }

    /// A version 4 UUID, as `metadata.uid` holds it.
    pub fn uuid(&mut self) -> String {
        let high = self.0.next_u64() & 0xffff_ffff_ffff_0fff | 0x4000;
        let low = self.0.next_u64() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_component_have_streams_of_their_own() {
        let mut whole = Seed(1).stream("scheduler");
        let draw = |mut rng: Rng| (rng.below(u64::MAX), rng.below(u64::MAX));
        let (pods, nodes) = (draw(whole.stream("pods")), draw(whole.stream("nodes")));
        assert_ne!(pods, nodes);
        assert_ne!(pods, draw(whole.clone()));
        assert_ne!(pods, draw(Seed(1).stream("pods")));
        whole.below(100);
        assert_eq!(pods, draw(whole.stream("pods")), "what was drawn does not matter");
    }

    #[test]
    fn streams_depend_on_seed_and_name_only() {
        let draw = |seed, name| Seed(seed).stream(name).below(u64::MAX);
        assert_eq!(draw(1, "kubelet/node-1"), draw(1, "kubelet/node-1"));
        assert_ne!(draw(1, "kubelet/node-1"), draw(2, "kubelet/node-1"));
        assert_ne!(draw(1, "kubelet/node-1"), draw(1, "kubelet/node-2"));
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut rng = Seed(3).stream("test");
        assert!((0..1000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(0), 0);
        let (low, high) = (Duration::from_secs(1), Duration::from_secs(2));
        assert!((0..1000).map(|_| rng.duration(low, high)).all(|d| (low..=high).contains(&d)));
        assert_eq!(rng.duration(high, low), high);
        assert!((0..100).all(|_| !rng.chance(0) && rng.chance(1_000_000)));
    }

    #[test]
    fn uuids_are_version_4_variant_1() {
        let uuid = Seed(1).stream("uid").uuid();
        let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
    }

    #[test]
    fn the_numbers_are_the_same_in_every_year() {
        // ChaCha8 is specified; a change of this value breaks every shared lab link.
        assert_eq!(Seed(42).stream("pin").name_suffix(5), PINNED);
    }

    const PINNED: &str = "s95mq";
}
