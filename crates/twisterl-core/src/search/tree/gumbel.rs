//! Gumbel AlphaZero: a policy improvement for any number of simulations (Danihelka et al., "Policy improvement by
//! planning with Gumbel", ICLR 2022).

use super::Tree;
use serde::{Deserialize, Serialize};

/// The constants of Gumbel search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gumbel {
    /// `m`, the most actions of the root that are looked at.
    pub considered: usize,
    /// `c_visit` and `c_scale` of equation 8: values between 0 and 1 count
    /// `(c_visit + most visits of an action) * c_scale` in units of logits.
    pub visit: f32,
    /// See `visit`.
    pub scale: f32,
}

impl Default for Gumbel {
    fn default() -> Self {
        Self { considered: 16, visit: 50.0, scale: 0.1 }
    }
}

impl Gumbel {
    /// Writes `logits + sigma(completed q)` of every action of `node`, negative infinity where it is masked. Values of
    /// actions that were never tried are completed by the mixed value (equation 33).
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
        out.iter_mut().for_each(|logit| *logit = (*logit - max).exp());
        let sum: f32 = out.iter().sum();
        out.iter_mut().for_each(|p| *p = if sum > 0.0 { *p / sum } else { 0.0 });
    }

    /// The action to follow from a node below the root: the one whose share of the visits falls shortest of the improved
    /// policy (equation 14).
    pub(crate) fn choose(&self, tree: &Tree, node: u32) -> Option<usize> {
        let edges = tree.edges(node);
        let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0f32);
        self.improved_logits(tree, node, |_, logit| max = max.max(logit));
        self.improved_logits(tree, node, |_, logit| sum += (logit - max).exp());
        let tries = 1.0 + edges.iter().map(|edge| edge.tries()).sum::<f32>();
        let mut best = (None, f32::NEG_INFINITY);
        self.improved_logits(tree, node, |action, logit| {
            let edge = &edges[action];
            let score = (logit - max).exp() / sum - edge.tries() / tries;
            if edge.open() && (score > best.1 || best.0.is_none()) {
                best = (Some(action), score);
            }
        });
        best.0
    }

    /// The action of the root that has had `visits` visits in this move and is best by
    /// `g + logits + sigma(completed q)`.
    pub(crate) fn choose_root(&self, tree: &Tree, visits: u32) -> Option<usize> {
        let edges = tree.edges(tree.root);
        let mut best = (None, f32::NEG_INFINITY);
        self.improved_logits(tree, tree.root, |action, logit| {
            let edge = &edges[action];
            let score = logit + tree.root_noise.get(action).copied().unwrap_or(0.0);
            let fits = made(tree, action) == visits;
            if fits && edge.open() && (score > best.1 || best.0.is_none()) {
                best = (Some(action), score);
            }
        });
        best.0
    }

    /// The action to play: the best of those most visited in this move.
    pub(crate) fn decide(&self, tree: &Tree) -> Option<usize> {
        let most = (0..tree.actions).map(|action| made(tree, action)).max().unwrap_or(0);
        self.choose_root(tree, most)
    }
}

/// Visits of an action of the root in this move.
fn made(tree: &Tree, action: usize) -> u32 {
    let before = tree.root_before.get(action).copied().unwrap_or(0);
    tree.edges(tree.root)
        .get(action)
        .map_or(0, |edge| (edge.visits + edge.in_flight).saturating_sub(before))
}

/// Simulations of one action that sequential halving makes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How many visits the action must have had.
    pub(crate) visits: u32,
    /// The simulation up to which actions are visited equally often, and none depends on what the others find.
    pub(crate) end: usize,
}

/// Writes what each of `simulations` simulations does at the root, by sequential halving over the best `considered`
/// actions (algorithm 1): each phase visits those left equally often and leaves the better half, down to two.
pub(crate) fn schedule(considered: usize, simulations: usize, out: &mut Vec<Turn>) {
    out.clear();
    if considered <= 1 {
        let turn = |n| Turn { visits: n as u32, end: simulations };
        out.extend((0..simulations).map(turn));
        return;
    }
    let phases = considered.next_power_of_two().ilog2() as usize;
    let (mut left, mut visits) = (considered, 0);
    while out.len() < simulations {
        let rounds = (simulations / (phases * left)).max(1);
        for _ in 0..rounds {
            let end = (out.len() + left).min(simulations);
            out.extend(std::iter::repeat_n(Turn { visits, end }, left));
            visits += 1;
        }
        left = (left / 2).max(2);
    }
    out.truncate(simulations);
}
