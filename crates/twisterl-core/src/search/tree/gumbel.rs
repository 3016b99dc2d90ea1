//! Gumbel AlphaZero: policy improvement with any number of simulations (Danihelka et al., "Policy improvement by
//! planning with Gumbel", ICLR 2022).

use super::Tree;
use crate::math::vectorised::exp_or_zero;
use serde::{Deserialize, Serialize};

/// The constants of Gumbel AlphaZero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gumbel {
    /// `m`, the maximum number of root actions that are searched.
    pub considered: usize,
    /// `c_visit` of equation 8: values between 0 and 1 are scaled by `(c_visit + most visits of an action) * c_scale`, to
    /// units of logits.
    pub visit: f32,
    /// `c_scale`, see `visit`.
    pub scale: f32,
}

impl Default for Gumbel {
    fn default() -> Self {
        Self { considered: 16, visit: 50.0, scale: 0.1 }
    }
}

impl Gumbel {
    /// Writes `logits + sigma(completed q)` of every action of `node`, negative infinity if it is masked. The values of
    /// actions without visits are completed by the mixed value (equation 33).
    fn improved_logits(&self, tree: &Tree, node: u32, mut write: impl FnMut(usize, f32)) {
        let edges = tree.edges(node);
        let (mut visits, mut most, mut tried, mut weighted) = (0, 0, 0.0, 0.0);
        for edge in edges {
            visits += edge.visits;
            most = most.max(edge.visits);
            if let Some(q) = edge.q() {
                // A prior that rounds to 0 must not divide by 0.
                let prior = edge.prior.max(f32::MIN_POSITIVE);
                tried += prior;
                weighted += prior * q;
            }
        }
        let raw = tree.node(node).raw_value;
        let mixed = if visits == 0 {
            raw
        } else {
            (raw + visits as f32 * weighted / tried) / (1.0 + visits as f32)
        };
        let scale = (self.visit + most as f32) * self.scale;
        for (action, edge) in edges.iter().enumerate() {
            write(action, edge.logit + scale * tree.range.normalise(edge.q().unwrap_or(mixed)));
        }
    }

    /// Writes the improved policy at `node`, `softmax(logits + sigma(completed q))` (equation 11), into `out`.
    pub(crate) fn improved_policy(&self, tree: &Tree, node: u32, out: &mut Vec<f32>) {
        out.clear();
        self.improved_logits(tree, node, |_, logit| out.push(logit));
        let max = out.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        out.iter_mut().for_each(|logit| *logit = exp_or_zero(*logit - max));
        let sum: f32 = out.iter().sum();
        out.iter_mut().for_each(|p| *p = if sum > 0.0 { *p / sum } else { 0.0 });
    }

    /// Returns the action to follow from a node below the root: the one whose share of the visits is furthest below the
    /// improved policy (equation 14).
    pub(crate) fn choose(&self, tree: &Tree, node: u32) -> Option<usize> {
        let edges = tree.edges(node);
        let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0f32);
        self.improved_logits(tree, node, |_, logit| max = max.max(logit));
        self.improved_logits(tree, node, |_, logit| sum += exp_or_zero(logit - max));
        let tries = 1.0 + edges.iter().map(|edge| edge.tries()).sum::<f32>();
        let mut best = (None, f32::NEG_INFINITY);
        self.improved_logits(tree, node, |action, logit| {
            let edge = &edges[action];
            let score = exp_or_zero(logit - max) / sum - edge.tries() / tries;
            if edge.allowed() && (score > best.1 || best.0.is_none()) {
                best = (Some(action), score);
            }
        });
        best.0
    }

    /// Returns the root action with the highest `g + logits + sigma(completed q)` among those with `visits` visits in this
    /// move.
    pub(crate) fn choose_root(&self, tree: &Tree, visits: u32) -> Option<usize> {
        let edges = tree.edges(tree.root);
        let mut best = (None, f32::NEG_INFINITY);
        self.improved_logits(tree, tree.root, |action, logit| {
            let edge = &edges[action];
            // Without noise, all Gumbel variables are 0.
            let noise = if tree.root_noise.is_empty() { 0.0 } else { tree.root_noise[action] };
            let score = logit + noise;
            let fits = visits_this_move(tree, action) == visits;
            if fits && edge.allowed() && (score > best.1 || best.0.is_none()) {
                best = (Some(action), score);
            }
        });
        best.0
    }

    /// Returns the action to play: the best one among the most visited in this move.
    pub(crate) fn best_action(&self, tree: &Tree) -> Option<usize> {
        let most =
            (0..tree.actions).map(|action| visits_this_move(tree, action)).max().unwrap_or(0);
        self.choose_root(tree, most)
    }
}

/// Returns the visits of a root action in this move.
fn visits_this_move(tree: &Tree, action: usize) -> u32 {
    let edge = &tree.edges(tree.root)[action];
    edge.visits + edge.in_flight - tree.root_before[action]
}

/// The choice at the root in one simulation of sequential halving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScheduledSimulation {
    /// Visits in this move of the actions among which it chooses.
    pub(crate) considered_visits: u32,
    /// End of the phase: up to this simulation, actions are visited equally often, and no choice depends on the values
    /// that the others find.
    pub(crate) phase_end: usize,
}

/// Writes the schedule of `simulations` simulations by sequential halving over the best `considered` actions (algorithm
/// 1), `[simulation]`: each phase visits the actions that are left equally often, and leaves the better half, down to two.
pub(crate) fn schedule_simulations(
    considered: usize,
    simulations: usize,
    out: &mut Vec<ScheduledSimulation>,
) {
    out.clear();
    if considered <= 1 {
        let visit = |n| ScheduledSimulation { considered_visits: n as u32, phase_end: simulations };
        out.extend((0..simulations).map(visit));
        return;
    }
    let phases = considered.next_power_of_two().ilog2() as usize;
    let (mut left, mut visits) = (considered, 0);
    while out.len() < simulations {
        let rounds = (simulations / (phases * left)).max(1);
        for _ in 0..rounds {
            let phase_end = (out.len() + left).min(simulations);
            let scheduled = ScheduledSimulation { considered_visits: visits, phase_end };
            out.extend(std::iter::repeat_n(scheduled, left));
            visits += 1;
        }
        left = (left / 2).max(2);
    }
    out.truncate(simulations);
}
