//! One game of a tree search.

use super::config::{Plan, SearchConfig, Selection};
use crate::env::Step;
use crate::evaluator::distribution::argmax;
use crate::search::action_path::{ActionPath, Seen};
use crate::search::tree::gumbel::{ScheduledSimulation, schedule_simulations};
use crate::search::tree::noise::{gumbel, mix_dirichlet};
use crate::search::tree::{NONE, Tree};

/// One game: its tree, and its moves so far.
pub(super) struct Game {
    pub(super) tree: Tree,
    /// Sum of the rewards of the moves so far.
    pub(super) total: f32,
    pub(super) played: Vec<u32>,
    /// Keys of the states in which the moves so far were made.
    pub(super) visited: Seen,
    /// The best solution that any tree of this game has found, from the start of the game.
    pub(super) best: ActionPath,
    /// Nodes added since the start of the game.
    pub(super) nodes: u64,
    /// Simulations since the start of the game, including those that ended at final nodes.
    pub(super) simulations: u64,
    /// Simulations of this move.
    pub(super) planned: usize,
    /// Simulations of this move that have started.
    pub(super) started: usize,
    /// Gumbel's choice at the root in each simulation of this move, `[simulation]`; empty for PUCT.
    pub(super) schedule: Vec<ScheduledSimulation>,
    /// Results of the last search for the actions of the root, `[action]`.
    pub(super) visits: Vec<u32>,
    pub(super) q: Vec<f32>,
    pub(super) prior: Vec<f32>,
    pub(super) policy: Vec<f32>,
    /// The best action.
    pub(super) action: usize,
    /// Memory for a path through the tree: actions and rewards.
    path: Vec<(u32, f32)>,
}

/// A node that waits for its evaluation, or has just been evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) game: usize,
    pub(super) node: u32,
    /// Nodes that its simulation has added; 0 for a root.
    pub(super) depth: usize,
}

impl Game {
    /// Creates a game that has not begun.
    pub(super) fn new(actions: usize, config: &SearchConfig) -> Self {
        Self {
            tree: Tree::new(config.capacity(), actions),
            total: 0.0,
            played: Vec::new(),
            visited: Seen::default(),
            best: ActionPath::default(),
            nodes: 0,
            simulations: 0,
            planned: 0,
            started: 0,
            schedule: Vec::with_capacity(config.simulations),
            visits: vec![0; actions],
            q: vec![0.0; actions],
            prior: vec![0.0; actions],
            policy: vec![0.0; actions],
            action: 0,
            path: Vec::new(),
        }
    }

    /// Forgets everything and begins a game. `solved` tells whether its start is solved.
    pub(super) fn begin(&mut self, solved: bool) {
        self.tree.clear(self.tree.root);
        if solved {
            self.tree.set_step(self.tree.root, Step { terminated: true, ..Step::default() });
        }
        self.total = 0.0;
        self.played.clear();
        self.visited.clear();
        self.best.solved = solved;
        self.best.total = 0.0;
        self.best.actions.clear();
        self.nodes = 0;
        self.simulations = 0;
    }

    /// Removes a new node, and forbids its action, if its state was already visited on the path to it. Returns whether it
    /// was.
    pub(super) fn prune_cycle(&mut self, at: &Pending, key: u64, config: &SearchConfig) -> bool {
        let repeats = self.tree.set_key(at.node, key) || self.visited.contains(&key);
        if !repeats || at.depth == 0 {
            return false;
        }
        let parent = self.tree.node(at.node).parent;
        self.nodes -= 1;
        if at.depth > 1 {
            self.tree.remove(at.node, parent);
            self.tree.back_up(parent, config.gamma, 1);
        } else {
            self.tree.remove(at.node, NONE);
            self.started -= 1;
            if parent == self.tree.root {
                self.schedule(config); // among fewer actions
            }
        }
        true
    }

    /// Begins a move: draws the noise at the root, and notes the visits that it starts from.
    pub(super) fn begin_move(&mut self, plan: &Plan, config: &SearchConfig) {
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
        self.schedule(config);
    }

    /// Schedules the sequential halving among the actions of the root.
    fn schedule(&mut self, config: &SearchConfig) {
        self.schedule.clear();
        if let Selection::Gumbel(gumbel) = &config.selection {
            let edges = self.tree.edges(self.tree.root);
            let allowed = edges.iter().filter(|edge| edge.allowed()).count();
            let considered = gumbel.considered.min(allowed).min(self.planned);
            schedule_simulations(considered, self.planned, &mut self.schedule);
        }
    }

    /// Ends a move: collects the results at the root.
    pub(super) fn finish_move(&mut self, config: &SearchConfig) {
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
                gumbel.best_action(tree).unwrap_or_else(|| argmax(prior))
            }
        };
    }

    /// Records the path to `node`, which is solved, if no better solution is known.
    pub(super) fn record_solution(&mut self, node: u32) {
        self.path.clear();
        self.path.extend(self.tree.path_up(node));
        self.path.reverse();
        let total = self.path.iter().fold(self.total, |total, (_, reward)| total + reward);
        let length = self.played.len() + self.path.len();
        let best = &mut self.best;
        let fewer = total == best.total && length < best.actions.len();
        if !best.solved || total > best.total || fewer {
            best.solved = true;
            best.total = total;
            best.actions.clear();
            best.actions.extend_from_slice(&self.played);
            best.actions.extend(self.path.iter().map(|(action, _)| action));
        }
    }
}
