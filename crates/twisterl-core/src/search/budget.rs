//! Bounds on the work of a search.

/// Bounds on the search for one solution. When one is reached, the best solution so far counts.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Maximum number of states evaluated.
    pub nodes: Option<u64>,
    /// Maximum number of seconds by `clock`. Problems that are played in lock step share the sum of theirs.
    pub seconds: Option<f64>,
    /// Returns the seconds since any fixed moment. Core has no clock of its own, since not every platform has one.
    pub clock: &'a (dyn Fn() -> f64 + Sync),
}

impl Budget<'_> {
    /// Returns a budget without bounds, and with a clock that stands still.
    pub fn unlimited() -> Budget<'static> {
        Budget { nodes: None, seconds: None, clock: &|| 0.0 }
    }

    /// Returns `1 / parts` of the budget.
    pub(crate) fn share(self, parts: usize) -> Self {
        Self {
            nodes: self.nodes.map(|n| (n / parts as u64).max(1)),
            seconds: self.seconds.map(|s| s / parts as f64),
            ..self
        }
    }

    /// Returns the budget in two parts, of equal time and as equal numbers of states as there can be. There is no second part of
    /// a single state.
    pub(crate) fn halves(self) -> (Self, Option<Self>) {
        let seconds = self.seconds.map(|seconds| seconds / 2.0);
        let first = Self { nodes: self.nodes.map(|nodes| nodes.div_ceil(2)), seconds, ..self };
        let second = Self { nodes: self.nodes.map(|nodes| nodes / 2), seconds, ..self };
        (first, (second.nodes != Some(0)).then_some(second))
    }

    /// Starts the clock for `problems` that share the budget.
    pub(crate) fn begin(&self, problems: usize) -> Limit<'_> {
        let begun = (self.clock)();
        Limit {
            begun,
            deadline: self.seconds.map(|seconds| begun + seconds * problems as f64),
            nodes: self.nodes.unwrap_or(u64::MAX),
            clock: self.clock,
        }
    }
}

/// A budget that is running.
#[derive(Clone, Copy)]
pub(crate) struct Limit<'a> {
    begun: f64,
    deadline: Option<f64>,
    /// States that may be evaluated for each problem.
    pub(crate) nodes: u64,
    clock: &'a (dyn Fn() -> f64 + Sync),
}

impl Limit<'_> {
    /// Returns the limit that is left after `nodes` more states.
    pub(crate) fn after(self, nodes: u64) -> Self {
        Self { nodes: self.nodes.saturating_sub(nodes), ..self }
    }

    /// Returns the seconds since the start.
    pub(crate) fn elapsed(&self) -> f64 {
        (self.clock)() - self.begun
    }

    /// Returns whether the time is over.
    pub(crate) fn expired(&self) -> bool {
        self.deadline.is_some_and(|deadline| (self.clock)() >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_a_whole_budget() {
        for (nodes, first, second) in
            [(None, None, Some(None)), (Some(7), Some(4), Some(Some(3))), (Some(1), Some(1), None)]
        {
            let budget = Budget { nodes, seconds: Some(3.0), ..Budget::unlimited() };
            let (one, other) = budget.halves();
            assert_eq!((one.nodes, other.map(|other| other.nodes)), (first, second));
            assert_eq!(one.seconds, Some(1.5));
            assert!(other.is_none_or(|other| other.seconds == Some(1.5)));
        }
    }
}
