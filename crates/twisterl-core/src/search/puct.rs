//! PUCT: the action of the highest value plus exploration (Silver et al., "A general reinforcement learning algorithm
//! that masters chess, shogi, and Go through self-play", 2018), with the values brought to [0, 1].

use super::tree::Tree;
use serde::{Deserialize, Serialize};

/// The constants of PUCT.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Puct {
    /// `c`, the weight of exploration against values between 0 and 1.
    pub exploration: f32,
    /// How much less than its parent an action that was never tried is thought to be worth: so many times the root of the
    /// prior of those that were tried ("first-play urgency" reduction, as in Leela and KataGo).
    pub first_play_reduction: f32,
    /// Dirichlet noise at the root, where a plan has noise.
    pub noise: Dirichlet,
}

/// Noise on the priors of the root: `(1 - share) * prior + share * Dirichlet(concentration / legal actions)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dirichlet {
    /// The share of the noise.
    pub share: f32,
    /// The sum of its parameters; AlphaZero's 0.3 for chess, 0.15 for shogi and 0.03 for Go are about 10 together.
    pub concentration: f32,
}

impl Default for Puct {
    fn default() -> Self {
        Self {
            exploration: 1.25,
            first_play_reduction: 0.2,
            noise: Dirichlet { share: 0.25, concentration: 10.0 },
        }
    }
}

impl Puct {
    /// The action to follow from `node`: the highest of
    /// `q(a) + c * prior(a) * sqrt(N) / (1 + N(a))`, the first among equals. `N` counts the evaluation of the
    /// node itself, so that the first choice follows the prior.
    pub(crate) fn choose(&self, tree: &Tree, node: u32) -> Option<usize> {
        let root = node == tree.root;
        let edges = tree.edges(node);
        let info = tree.node(node);
        let tried: f32 = edges.iter().filter(|e| e.visits > 0).map(|e| e.prior).sum();
        let first = tree.range.normalise(info.mean()) - self.first_play_reduction * tried.sqrt();
        let scale = self.exploration * ((info.visits + info.in_flight) as f32).max(1.0).sqrt();
        let mut best = (None, f32::NEG_INFINITY);
        for (action, edge) in edges.iter().enumerate() {
            if !edge.open() {
                continue;
            }
            let noisy = if root { tree.root_noise.get(action) } else { None };
            let prior = noisy.copied().unwrap_or(edge.prior);
            let q = edge.q().map_or(first, |q| tree.range.normalise(q));
            let score = q + scale * prior / (1.0 + edge.tries());
            if score > best.1 || best.0.is_none() {
                best = (Some(action), score);
            }
        }
        best.0
    }
}
