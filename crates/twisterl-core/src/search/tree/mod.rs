//! The tree of one game: an arena that is allocated once, and reused from move to move.
//!
//! A node is a state, an edge an action from it. Edge `a` of node `n` has index `n * actions + a`. The environment of
//! node `n` is in slot `n` of the game's part of a batch, so that adding a node is one copy and one step.

pub(super) mod gumbel;
pub(super) mod noise;
pub(super) mod puct;

use crate::env::Step;
use crate::math::vectorised::exp_or_zero;

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// The state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// The node waits for its evaluation.
    Pending,
    /// The node is evaluated, and its actions can be followed.
    Expanded,
    /// The episode terminated; its value is 0.
    Terminated,
    /// The episode was truncated; its value is that of the value head.
    Truncated,
}

impl NodeState {
    pub(crate) fn ended(self) -> bool {
        matches!(self, Self::Terminated | Self::Truncated)
    }

    /// Returns the step with this `reward` into a node of this state.
    pub(crate) fn step(self, reward: f32) -> Step {
        let (terminated, truncated) = (self == Self::Terminated, self == Self::Truncated);
        Step { reward, terminated, truncated }
    }
}

/// A node: a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeNode {
    /// The parent and the action from it; [`NONE`] for the root.
    pub(crate) parent: u32,
    pub(crate) action: u32,
    pub(crate) state: NodeState,
    /// The key of the state, if cycles are pruned.
    pub(crate) key: u64,
    /// The value without search.
    pub(crate) raw_value: f32,
    /// Number of returns backed up to here, including its own evaluation.
    pub(crate) visits: u32,
    /// The sum of these returns.
    pub(crate) value_sum: f32,
    /// Simulations through this node that have not been backed up.
    pub(crate) in_flight: u32,
}

impl TreeNode {
    fn new(parent: u32, action: u32) -> Self {
        Self {
            parent,
            action,
            state: NodeState::Pending,
            key: 0,
            raw_value: 0.0,
            visits: 0,
            value_sum: 0.0,
            in_flight: 0,
        }
    }

    /// Returns the mean of all returns backed up to here.
    pub(crate) fn mean(&self) -> f32 {
        self.value_sum / self.visits.max(1) as f32
    }
}

/// An edge: an action from a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    /// Log-probability of the action; negative infinity if it is masked or forbidden.
    pub(crate) logit: f32,
    /// Probability of the action.
    pub(crate) prior: f32,
    /// The node it leads to, or [`NONE`].
    pub(crate) child: u32,
    /// The reward of the step.
    pub(crate) reward: f32,
    /// Number of returns backed up through this edge.
    pub(crate) visits: u32,
    /// The sum of these returns: reward plus discounted value.
    pub(crate) value_sum: f32,
    /// Simulations through this edge that have not been backed up.
    pub(crate) in_flight: u32,
}

impl Edge {
    fn new(logit: f32) -> Self {
        Self {
            logit,
            prior: exp_or_zero(logit),
            child: NONE,
            reward: 0.0,
            visits: 0,
            value_sum: 0.0,
            in_flight: 0,
        }
    }

    /// Returns the mean return of the action, if it was visited.
    pub(crate) fn q(&self) -> Option<f32> {
        (self.visits > 0).then(|| self.value_sum / self.visits as f32)
    }

    /// Returns the number of visits, including those in flight. Exploration counts these, so that the simulations of one
    /// round take different paths, without virtual losses in the values (Liu et al., "Watch the Unobserved", ICLR 2020).
    pub(crate) fn tries(&self) -> f32 {
        (self.visits + self.in_flight) as f32
    }

    /// Returns whether simulations may follow this edge.
    pub(crate) fn allowed(&self) -> bool {
        self.logit > f32::NEG_INFINITY
    }
}

/// The range of the action values in a tree, which normalises them to [0, 1] for any scale of the rewards (Schrittwieser
/// et al., "Mastering Atari, Go, chess and shogi by planning with a learned model", 2020, equation 5).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueRange {
    low: f32,
    high: f32,
}

impl ValueRange {
    const EMPTY: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    fn include(&mut self, q: f32) {
        self.low = self.low.min(q);
        self.high = self.high.max(q);
    }

    /// Returns `q` scaled to 0 for the lowest and 1 for the highest value; 0 if all are equal.
    pub(crate) fn normalise(&self, q: f32) -> f32 {
        if self.high > self.low {
            ((q - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// The end of a simulation's path through the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// An action that was never followed.
    New { parent: u32, action: usize },
    /// A node where the episode is over, or no action is allowed.
    Ended(u32),
    /// A node that waits for its evaluation, so that the simulation has to wait for the next round.
    Pending,
}

/// The tree of one game.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) actions: usize,
    pub(crate) root: u32,
    pub(crate) range: ValueRange,
    /// The priors of the root with noise (PUCT), or its Gumbel variables (Gumbel), `[action]`; empty without noise.
    pub(crate) root_noise: Vec<f32>,
    /// Visits of the root's actions when the move began, `[action]`.
    pub(crate) root_before: Vec<u32>,
    /// `[node]`
    nodes: Vec<TreeNode>,
    /// `[node, action]`
    edges: Vec<Edge>,
    free: Vec<u32>,
    /// Memory for walks over the tree.
    stack: Vec<u32>,
    kept: Vec<bool>,
}

impl Tree {
    /// Allocates `capacity` nodes, including the root, of `actions` actions.
    pub(crate) fn new(capacity: usize, actions: usize) -> Self {
        let mut tree = Self {
            actions,
            root: 0,
            range: ValueRange::EMPTY,
            root_noise: Vec::with_capacity(actions),
            root_before: Vec::with_capacity(actions),
            nodes: vec![TreeNode::new(NONE, NONE); capacity],
            edges: vec![Edge::new(f32::NEG_INFINITY); capacity * actions],
            free: Vec::with_capacity(capacity),
            stack: Vec::with_capacity(capacity),
            kept: vec![false; capacity],
        };
        tree.clear(0);
        tree
    }

    /// Removes all nodes and makes `root` a root that waits for its evaluation.
    pub(crate) fn clear(&mut self, root: u32) {
        self.free.clear();
        self.free.extend((0..self.nodes.len() as u32).rev().filter(|&node| node != root));
        self.root = root;
        self.range = ValueRange::EMPTY;
        self.reset(root, NONE, NONE);
    }

    /// Returns the number of nodes that can be added.
    pub(crate) fn free_nodes(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn node(&self, node: u32) -> &TreeNode {
        &self.nodes[node as usize]
    }

    /// Returns the edges of a node, `[action]`.
    pub(crate) fn edges(&self, node: u32) -> &[Edge] {
        let start = node as usize * self.actions;
        &self.edges[start..start + self.actions]
    }

    fn edges_mut(&mut self, node: u32) -> &mut [Edge] {
        let start = node as usize * self.actions;
        &mut self.edges[start..start + self.actions]
    }

    fn reset(&mut self, node: u32, parent: u32, action: u32) {
        self.nodes[node as usize] = TreeNode::new(parent, action);
    }

    /// *Simulate*: follows the choices of `choose` from `from` down to the end of the tree.
    pub(crate) fn simulate(&self, from: u32, choose: impl Fn(&Self, u32) -> Option<usize>) -> Leaf {
        let mut node = from;
        loop {
            match self.node(node).state {
                NodeState::Pending => return Leaf::Pending,
                NodeState::Terminated | NodeState::Truncated => return Leaf::Ended(node),
                NodeState::Expanded => {}
            }
            let Some(action) = choose(self, node) else { return Leaf::Ended(node) };
            match self.edges(node)[action].child {
                NONE => return Leaf::New { parent: node, action },
                child => node = child,
            }
        }
    }

    /// *Expand*, first half: adds a node that waits for its evaluation. Returns `None` if the tree is full.
    pub(crate) fn add(&mut self, parent: u32, action: usize) -> Option<u32> {
        let child = self.free.pop()?;
        self.reset(child, parent, action as u32);
        self.edges_mut(parent)[action].child = child;
        Some(child)
    }

    /// Adds a simulation in flight to `node` and all nodes above it, up to but without `above`.
    pub(crate) fn add_in_flight(&mut self, mut node: u32, above: u32) {
        while node != above && node != NONE {
            let TreeNode { parent, action, .. } = self.nodes[node as usize];
            self.nodes[node as usize].in_flight += 1;
            if parent != NONE {
                self.edges_mut(parent)[action as usize].in_flight += 1;
            }
            node = parent;
        }
    }

    /// Sets the key of a node's state. Returns whether a node above it has the same key.
    pub(crate) fn set_key(&mut self, node: u32, key: u64) -> bool {
        self.nodes[node as usize].key = key;
        let mut above = self.node(node).parent;
        while above != NONE && self.node(above).key != key {
            above = self.node(above).parent;
        }
        above != NONE
    }

    /// Removes a node that waits for its evaluation, forbids the action that led to it, and removes the simulation in
    /// flight that [`add_in_flight`](Self::add_in_flight) added up to but without `above`.
    pub(crate) fn remove(&mut self, leaf: u32, above: u32) {
        let mut node = leaf;
        while node != above && node != NONE {
            let TreeNode { parent, action, .. } = self.nodes[node as usize];
            self.nodes[node as usize].in_flight -= 1;
            if parent != NONE {
                self.edges_mut(parent)[action as usize].in_flight -= 1;
            }
            node = parent;
        }
        let TreeNode { parent, action, .. } = self.nodes[leaf as usize];
        if parent != NONE {
            let edge = &mut self.edges_mut(parent)[action as usize];
            (edge.logit, edge.child) = (f32::NEG_INFINITY, NONE);
        }
        self.free.push(leaf);
    }

    /// Sets the step that led to `node`.
    pub(crate) fn set_step(&mut self, node: u32, step: Step) {
        let to = &mut self.nodes[node as usize];
        match step {
            Step { terminated: true, .. } => to.state = NodeState::Terminated,
            Step { truncated: true, .. } => to.state = NodeState::Truncated,
            _ => {}
        }
        let (parent, action) = (to.parent, to.action);
        if parent != NONE {
            self.edges_mut(parent)[action as usize].reward = step.reward;
        }
    }

    /// *Expand*, second half: sets the evaluation of a node. `log_probs` are `[action]`.
    pub(crate) fn set_evaluation(&mut self, node: u32, log_probs: &[f32], value: f32) {
        let value = if value.is_finite() { value } else { 0.0 };
        self.nodes[node as usize].raw_value = value;
        if self.nodes[node as usize].state.ended() {
            return;
        }
        self.nodes[node as usize].state = NodeState::Expanded;
        for (edge, &logit) in self.edges_mut(node).iter_mut().zip(log_probs) {
            let logit = if logit.is_nan() { f32::NEG_INFINITY } else { logit };
            *edge = Edge::new(logit);
        }
    }

    /// *Backup*: adds the value of `leaf` to it and all nodes above it. Each return is the reward plus `gamma` times the
    /// return below. `in_flight` is 1 if the simulation was added by [`add_in_flight`](Self::add_in_flight), and else 0.
    pub(crate) fn back_up(&mut self, leaf: u32, gamma: f32, in_flight: u32) {
        let mut node = leaf;
        let mut value = self.node(leaf).raw_value;
        loop {
            let to = &mut self.nodes[node as usize];
            to.visits += 1;
            to.value_sum += value;
            to.in_flight -= in_flight;
            let TreeNode { parent, action, .. } = *to;
            if parent == NONE {
                return;
            }
            let edge = &mut self.edges[parent as usize * self.actions + action as usize];
            value = edge.reward + gamma * value;
            edge.visits += 1;
            edge.value_sum += value;
            edge.in_flight -= in_flight;
            let q = edge.value_sum / edge.visits as f32;
            self.range.include(q);
            node = parent;
        }
    }

    /// Makes `child` the root, keeps its subtree, and frees all other nodes.
    pub(crate) fn re_root(&mut self, child: u32) {
        self.kept.fill(false);
        self.range = ValueRange::EMPTY;
        self.stack.clear();
        self.stack.push(child);
        while let Some(node) = self.stack.pop() {
            self.kept[node as usize] = true;
            if self.node(node).state != NodeState::Expanded {
                continue;
            }
            let start = node as usize * self.actions;
            for edge in &self.edges[start..start + self.actions] {
                if let Some(q) = edge.q() {
                    self.range.include(q);
                }
                if edge.child != NONE {
                    self.stack.push(edge.child);
                }
            }
        }
        self.free.clear();
        let kept = &self.kept;
        self.free.extend((0..self.nodes.len() as u32).rev().filter(|&node| !kept[node as usize]));
        self.root = child;
        let root = &mut self.nodes[child as usize];
        (root.parent, root.action) = (NONE, NONE);
    }

    /// Iterates from `node` up to the root over the actions that lead to each node, and their rewards.
    pub(crate) fn path_up(&self, mut node: u32) -> impl Iterator<Item = (u32, f32)> + '_ {
        std::iter::from_fn(move || {
            let TreeNode { parent, action, .. } = *self.node(node);
            node = parent;
            (parent != NONE).then(|| (action, self.edges(parent)[action as usize].reward))
        })
    }
}
