//! PUCT: the action of the highest value plus exploration (Silver et al., "A general reinforcement learning algorithm
//! that masters chess, shogi, and Go through self-play", 2018), with values normalised to [0, 1].

use super::Tree;
use serde::{Deserialize, Serialize};

/// The constants of PUCT.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Puct {
    /// `c`, the exploration constant, against values between 0 and 1.
    pub exploration: f32,
    /// Reduction of the value of actions without visits below the value of their node: this many times the square root of
    /// the summed priors of the visited actions ("first-play urgency" reduction, as in Leela and KataGo).
    pub first_play_reduction: f32,
    /// Dirichlet noise at the root, if a plan has noise.
    pub noise: Dirichlet,
    /// If a plan has noise, every visited action of the root gets at least `sqrt(forced * prior * visits)` visits, which do
    /// not count in the policy unless its value justifies them (forced playouts and policy target pruning: Wu,
    /// "Accelerating self-play learning in Go", 2019, section 3.2, where it is 2); 0: off.
    pub forced: f32,
}

/// Noise on the priors of the root: `(1 - share) * prior + share * Dirichlet(concentration / legal actions)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dirichlet {
    /// The share of the noise, 0 to 1.
    pub share: f32,
    /// The sum of the parameters; AlphaZero's 0.3 for chess, 0.15 for shogi and 0.03 for Go sum to about 10 each.
    pub concentration: f32,
}

impl Default for Puct {
    fn default() -> Self {
        Self {
            exploration: 1.25,
            first_play_reduction: 0.2,
            noise: Dirichlet { share: 0.25, concentration: 10.0 },
            forced: 0.0,
        }
    }
}

impl Puct {
    /// Returns the action to follow from `node`: the highest of `q(a) + c * prior(a) * sqrt(N) / (1 + N(a))`, the first
    /// among equals. `N` counts the evaluation of the node itself, so that the first choice follows the prior.
    pub(crate) fn choose(&self, tree: &Tree, node: u32) -> Option<usize> {
        let root = node == tree.root;
        let noisy = root && !tree.root_noise.is_empty();
        let forced = noisy && self.forced > 0.0;
        let edges = tree.edges(node);
        let info = tree.node(node);
        let visits = (info.visits + info.in_flight) as f32;
        let tried: f32 = edges.iter().filter(|e| e.visits > 0).map(|e| e.prior).sum();
        let first = tree.range.normalise(info.mean()) - self.first_play_reduction * tried.sqrt();
        let scale = self.exploration * visits.max(1.0).sqrt();
        let mut best = (None, f32::NEG_INFINITY);
        for (action, edge) in edges.iter().enumerate() {
            if !edge.allowed() {
                continue;
            }
            let prior = if noisy { tree.root_noise[action] } else { edge.prior };
            let q = edge.q().map_or(first, |q| tree.range.normalise(q));
            let force =
                forced && edge.visits > 0 && edge.tries() < self.forced_visits(prior, visits);
            let score =
                if force { f32::INFINITY } else { q + scale * prior / (1.0 + edge.tries()) };
            if score > best.1 || best.0.is_none() {
                best = (Some(action), score);
            }
        }
        best.0
    }

    /// Returns the minimum number of visits of an action with this prior, of `visits` of the root.
    fn forced_visits(&self, prior: f32, visits: f32) -> f32 {
        (self.forced * prior * visits).sqrt()
    }

    /// Writes the shares of the root's visits, without those that were only forced, into `out`, `[action]`; the prior if
    /// there are no visits.
    pub(crate) fn visited_policy(&self, tree: &Tree, out: &mut Vec<f32>) {
        let edges = tree.edges(tree.root);
        out.clear();
        out.extend(edges.iter().map(|edge| edge.visits as f32));
        if self.forced > 0.0 && !tree.root_noise.is_empty() {
            self.prune(tree, out);
        }
        let sum: f32 = out.iter().sum();
        for (share, edge) in out.iter_mut().zip(edges) {
            *share = if sum > 0.0 { *share / sum } else { edge.prior };
        }
    }

    /// Removes forced visits from every action but the most visited one, as long as its score stays below the score of
    /// that one. A single visit that remains is removed too. The root has noise.
    fn prune(&self, tree: &Tree, counts: &mut [f32]) {
        let edges = tree.edges(tree.root);
        let visits = tree.node(tree.root).visits as f32;
        let scale = self.exploration * visits.max(1.0).sqrt();
        let prior = |a: usize| tree.root_noise[a];
        let q = |a: usize| edges[a].q().map_or(0.0, |q| tree.range.normalise(q));
        let most =
            (0..counts.len()).fold(0, |best, a| if counts[a] > counts[best] { a } else { best });
        let top = q(most) + scale * prior(most) / (1.0 + counts[most]);
        for action in (0..counts.len()).filter(|&a| a != most) {
            let gap = top - q(action);
            // This many visits lower its score to the top one.
            let earned = if gap > 0.0 { scale * prior(action) / gap - 1.0 } else { f32::INFINITY };
            let forced = self.forced_visits(prior(action), visits);
            let count = &mut counts[action];
            *count = (*count - forced).floor().max(earned.ceil()).clamp(0.0, *count);
            if *count <= 1.0 {
                *count = 0.0;
            }
        }
    }
}
