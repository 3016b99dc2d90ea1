//! One game of a tree search.

use super::config::{Plan, SearchConfig, Selection};
use crate::env::Step;
use crate::evaluator::distribution::argmax;
use crate::search::action_path::{ActionPath, Seen};
use crate::search::tree::gumbel::{Turn, schedule};
use crate::search::tree::noise::{gumbel, mix_dirichlet};
use crate::search::tree::{NONE, Tree};

/// One game: its tree, and how far it has come.
pub(super) struct Game {
    pub(super) tree: Tree,
    /// What the moves made so far paid.
    pub(super) total: f32,
    pub(super) played: Vec<u32>,
    /// The states that the moves made so far came from.
    pub(super) past: Seen,
    /// The best solution that any tree of this game has come upon, from the start of the game.
    pub(super) found: ActionPath,
    /// Nodes added since the start of the game.
    pub(super) nodes: u64,
    /// Simulations made since the start of the game, those that came to a known end included.
    pub(super) simulations: u64,
    /// Simulations of this move: to be made, and begun.
    pub(super) wanted: usize,
    pub(super) begun: usize,
    /// Of Gumbel: what each of these does at the root.
    pub(super) turns: Vec<Turn>,
    /// What the last search said of the root's actions.
    pub(super) visits: Vec<u32>,
    pub(super) q: Vec<f32>,
    pub(super) prior: Vec<f32>,
    pub(super) policy: Vec<f32>,
    pub(super) action: usize,
    /// Memory for a way through the tree.
    way: Vec<(u32, f32)>,
}

/// A node on its way to be evaluated, or just evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) game: usize,
    pub(super) node: u32,
    /// Nodes that the simulation has added; 0 for a root.
    pub(super) depth: usize,
}

impl Game {
    /// A game that has not begun.
    pub(super) fn new(actions: usize, config: &SearchConfig) -> Self {
        Self {
            tree: Tree::new(config.capacity(), actions),
            total: 0.0,
            played: Vec::new(),
            past: Seen::default(),
            found: ActionPath::default(),
            nodes: 0,
            simulations: 0,
            wanted: 0,
            begun: 0,
            turns: Vec::with_capacity(config.simulations),
            visits: vec![0; actions],
            q: vec![0.0; actions],
            prior: vec![0.0; actions],
            policy: vec![0.0; actions],
            action: 0,
            way: Vec::new(),
        }
    }

    /// Forgets everything; `solved` says whether the start is.
    pub(super) fn begin(&mut self, solved: bool) {
        self.tree.clear(self.tree.root);
        if solved {
            self.tree.arrive(self.tree.root, Step { terminated: true, ..Step::default() });
        }
        self.total = 0.0;
        self.played.clear();
        self.past.clear();
        self.found.solved = solved;
        self.found.total = 0.0;
        self.found.actions.clear();
        self.nodes = 0;
        self.simulations = 0;
    }

    /// Strikes out the way to a new node if its state was on the way there.
    pub(super) fn repeats(&mut self, at: &Pending, key: u64, config: &SearchConfig) -> bool {
        let repeats = self.tree.repeats(at.node, key) || self.past.contains(&key);
        if !repeats || at.depth == 0 {
            return false;
        }
        let parent = self.tree.node(at.node).parent;
        self.nodes -= 1;
        if at.depth > 1 {
            self.tree.retract(at.node, parent);
            self.tree.back_up(parent, config.gamma, 1);
        } else {
            self.tree.retract(at.node, NONE);
            self.begun -= 1;
            if parent == self.tree.root {
                self.plan_turns(config); // among fewer actions
            }
        }
        true
    }

    /// Begins a move: noise, and what it starts from.
    pub(super) fn prepare(&mut self, plan: &Plan, config: &SearchConfig) {
        let tree = &mut self.tree;
        let mut rng = plan.noise.clone();
        let (root, actions) = (tree.root, tree.actions);
        let mut noise = std::mem::take(&mut tree.root_noise);
        noise.clear();
        match (&config.selection, &mut rng) {
            (Selection::Puct(puct), Some(rng)) => {
                noise.extend(tree.edges(root).iter().map(|edge| edge.prior));
                mix_dirichlet(&mut noise, puct.noise.share, puct.noise.concentration, rng);
            }
            (Selection::Gumbel(_), Some(rng)) => noise.extend((0..actions).map(|_| gumbel(rng))),
            (_, None) => {}
        }
        tree.root_noise = noise;
        let mut before = std::mem::take(&mut tree.root_before);
        before.clear();
        before.extend(tree.edges(root).iter().map(|edge| edge.visits));
        tree.root_before = before;
        self.plan_turns(config);
    }

    /// Lays out the sequential halving among the actions of the root.
    fn plan_turns(&mut self, config: &SearchConfig) {
        self.turns.clear();
        if let Selection::Gumbel(gumbel) = &config.selection {
            let edges = self.tree.edges(self.tree.root);
            let open = edges.iter().filter(|edge| edge.open()).count();
            let considered = gumbel.considered.min(open).min(self.wanted);
            schedule(considered, self.wanted, &mut self.turns);
        }
    }

    /// Ends a move: what the search says of the root.
    pub(super) fn conclude(&mut self, config: &SearchConfig) {
        let Self { tree, visits, q, prior, policy, .. } = self;
        let edges = tree.edges(tree.root);
        let mean = tree.node(tree.root).mean();
        for (action, edge) in edges.iter().enumerate() {
            visits[action] = edge.visits;
            q[action] = edge.q().unwrap_or(mean);
            prior[action] = edge.prior;
        }
        self.action = match &config.selection {
            Selection::Puct(puct) => {
                puct.visited_policy(tree, policy);
                let rank = |a: usize| (policy[a], q[a]);
                (0..edges.len()).fold(0, |best, a| if rank(a) > rank(best) { a } else { best })
            }
            Selection::Gumbel(gumbel) => {
                gumbel.improved_policy(tree, tree.root, policy);
                gumbel.decide(tree).unwrap_or_else(|| argmax(prior))
            }
        };
    }

    /// Notes that `node` is solved, if no better solution is known.
    pub(super) fn remember(&mut self, node: u32) {
        self.way.clear();
        self.way.extend(self.tree.way(node));
        self.way.reverse();
        let total = self.way.iter().fold(self.total, |total, (_, reward)| total + reward);
        let length = self.played.len() + self.way.len();
        let found = &mut self.found;
        let fewer = total == found.total && length < found.actions.len();
        if !found.solved || total > found.total || fewer {
            found.solved = true;
            found.total = total;
            found.actions.clear();
            found.actions.extend_from_slice(&self.played);
            found.actions.extend(self.way.iter().map(|(action, _)| action));
        }
    }
}
