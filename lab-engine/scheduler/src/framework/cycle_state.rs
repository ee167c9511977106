//! What plugins remember from one extension point to the next within one cycle (`framework.CycleState`).
//!
//! A plugin writes a value of a type of its own in PreFilter or PreScore, and reads it by that type for each node.

use std::any::Any;
use std::fmt;

/// A value that a plugin remembers. Every type that can be cloned is one.
pub(crate) trait StateData: Any + fmt::Debug {
    /// A copy in a box of its own.
    fn clone_box(&self) -> Box<dyn StateData>;
    /// The value as of any type.
    fn as_any(&self) -> &dyn Any;
    /// The value as of any type, to change.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<T: Any + Clone + fmt::Debug> StateData for T {
    fn clone_box(&self) -> Box<dyn StateData> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The memory of one cycle. A copy is for trying out what would be if Pods came or went.
#[derive(Debug, Default)]
pub(crate) struct CycleState {
    /// At most a handful: a search from the front is the fastest.
    values: Vec<Box<dyn StateData>>,
    skip_filter: Vec<&'static str>,
    skip_score: Vec<&'static str>,
}

impl Clone for CycleState {
    fn clone(&self) -> Self {
        let values = self.values.iter().map(|value| value.as_ref().clone_box()).collect();
        CycleState { values, skip_filter: self.skip_filter.clone(), skip_score: self.skip_score.clone() }
    }
}

impl CycleState {
    /// Remembers a value in place of another of its type.
    pub(crate) fn write<T: Any + Clone + fmt::Debug>(&mut self, value: T) {
        match self.read_mut::<T>() {
            Some(old) => *old = value,
            None => self.values.push(Box::new(value)),
        }
    }

    /// The value of this type.
    pub(crate) fn read<T: Any>(&self) -> Option<&T> {
        self.values.iter().find_map(|value| value.as_ref().as_any().downcast_ref())
    }

    /// The value of this type, to change.
    pub(crate) fn read_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.values.iter_mut().find_map(|value| value.as_mut().as_any_mut().downcast_mut())
    }

    /// The plugin has nothing to filter in this cycle.
    pub(crate) fn skip_filter(&mut self, plugin: &'static str) {
        self.skip_filter.push(plugin);
    }

    /// Whether the plugin has nothing to filter in this cycle.
    pub(crate) fn skips_filter(&self, plugin: &str) -> bool {
        self.skip_filter.contains(&plugin)
    }

    /// Begins the scoring anew: what PreScore left is written over, or not looked at.
    pub(crate) fn forget_scoring(&mut self) {
        self.skip_score.clear();
    }

    /// The plugin has nothing to score in this cycle.
    pub(crate) fn skip_score(&mut self, plugin: &'static str) {
        self.skip_score.push(plugin);
    }

    /// Whether the plugin has nothing to score in this cycle.
    pub(crate) fn skips_score(&self, plugin: &str) -> bool {
        self.skip_score.contains(&plugin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Count(u32);

    #[derive(Clone, Debug, PartialEq)]
    struct Other(u32);

    #[test]
    fn values_are_found_by_type_and_copies_are_apart() {
        let mut state = CycleState::default();
        state.write(Count(1));
        state.write(Other(7));
        state.write(Count(2));
        let mut copy = state.clone();
        copy.write(Count(3));
        assert_eq!(
            (state.read::<Count>(), copy.read::<Count>(), state.read::<Other>()),
            (Some(&Count(2)), Some(&Count(3)), Some(&Other(7)))
        );
        assert_eq!(state.read::<u8>(), None);
    }
}
