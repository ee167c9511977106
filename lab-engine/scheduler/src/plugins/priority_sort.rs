//! `PrioritySort`: the order of `activeQ` (`plugins/queuesort`): the higher priority first, of equal ones the longer wait.

use sim::Time;
use std::cmp::Reverse;

/// The place of a Pod in the order: its priority, since when it waits, and a number that settles ties by arrival.
pub(crate) type Rank = (Reverse<i32>, Time, u64);

/// Whether a Pod comes before another (`Less`): priority and time of coming of each.
pub(crate) fn less(a: (i32, Time), b: (i32, Time)) -> bool {
    (Reverse(a.0), a.1) < (Reverse(b.0), b.1)
}
