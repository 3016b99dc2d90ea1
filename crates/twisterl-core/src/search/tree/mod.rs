//! The tree of one game: a plain arena that is allocated once, and reused from move to move.
//!
//! A node is a state, an edge an action from it. Edge `a` of node `n` stands at `n * actions + a`. The environment of
//! node `n` is slot `n` of the game's part of a batch, so that a node is made by one copy and one step.

pub(super) mod gumbel;
pub(super) mod noise;
pub(super) mod puct;

use crate::env::Step;

/// Stands for no node.
pub(crate) const NONE: u32 = u32::MAX;

/// What can be done at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// It waits for its evaluation.
    Pending,
    /// Its actions can be followed.
    Open,
    /// The episode ends here, and is worth 0.
    Terminated,
    /// The episode is cut here, and worth what the value head says.
    Truncated,
}

impl NodeState {
    pub(crate) fn ended(self) -> bool {
        matches!(self, Self::Terminated | Self::Truncated)
    }

    /// The step that led here, having paid `reward`.
    pub(crate) fn step(self, reward: f32) -> Step {
        let (terminated, truncated) = (self == Self::Terminated, self == Self::Truncated);
        Step { reward, terminated, truncated }
    }
}

/// A state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeNode {
    /// The node it was reached from, and by which action; [`NONE`] for the root.
    pub(crate) parent: u32,
    pub(crate) action: u32,
    pub(crate) state: NodeState,
    /// The key of the state, where keys are asked for.
    pub(crate) key: u64,
    /// What the value head says.
    pub(crate) raw_value: f32,
    /// Returns backed up to here, its own evaluation among them.
    pub(crate) visits: u32,
    pub(crate) value_sum: f32,
    /// Simulations through here that have not been backed up.
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

    /// The mean of all returns backed up to here.
    pub(crate) fn mean(&self) -> f32 {
        self.value_sum / self.visits.max(1) as f32
    }
}

/// An action from a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    /// Log-probability of the action; negative infinity where it is masked or struck out.
    pub(crate) logit: f32,
    /// Its probability.
    pub(crate) prior: f32,
    /// Where it leads, or [`NONE`].
    pub(crate) child: u32,
    /// What the transition paid.
    pub(crate) reward: f32,
    /// Returns backed up through it.
    pub(crate) visits: u32,
    /// Their sum: reward plus discounted value of what follows.
    pub(crate) value_sum: f32,
    /// Simulations through it that have not been backed up.
    pub(crate) in_flight: u32,
}

impl Edge {
    fn new(logit: f32) -> Self {
        Self {
            logit,
            prior: logit.exp(),
            child: NONE,
            reward: 0.0,
            visits: 0,
            value_sum: 0.0,
            in_flight: 0,
        }
    }

    /// The mean return of the action, once it was visited.
    pub(crate) fn q(&self) -> Option<f32> {
        (self.visits > 0).then(|| self.value_sum / self.visits as f32)
    }

    /// Visits and those on their way: what exploration counts, so that simulations of one round go different ways, while
    /// values stay free of made-up losses (Liu et al., "Watch the Unobserved", ICLR 2020).
    pub(crate) fn tries(&self) -> f32 {
        (self.visits + self.in_flight) as f32
    }

    /// Whether simulations may follow it.
    pub(crate) fn open(&self) -> bool {
        self.logit > f32::NEG_INFINITY
    }
}

/// The range of the action values in a tree, by which they are brought to [0, 1] whatever the scale of the rewards
/// (Schrittwieser et al., "Mastering Atari, Go, chess and shogi by planning with a learned model", 2020, equation 5).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    low: f32,
    high: f32,
}

impl Range {
    const EMPTY: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    fn include(&mut self, q: f32) {
        self.low = self.low.min(q);
        self.high = self.high.max(q);
    }

    /// `q` between the lowest, 0, and the highest, 1; 0 while all are equal.
    pub(crate) fn normalise(&self, q: f32) -> f32 {
        if self.high > self.low {
            ((q - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// Where a simulation comes to the end of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// At an action that was never followed.
    New { parent: u32, action: usize },
    /// At a node where the episode is over.
    Ended(u32),
    /// At a node that waits for its evaluation: nothing can be learned here in this round.
    Pending,
}

/// The tree of one game.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) actions: usize,
    pub(crate) root: u32,
    pub(crate) range: Range,
    /// The root's priors with noise (PUCT), or its Gumbel variables (Gumbel).
    pub(crate) root_noise: Vec<f32>,
    /// The root's visits when the move began; not 0 where a subtree was kept.
    pub(crate) root_before: Vec<u32>,
    nodes: Vec<TreeNode>,
    edges: Vec<Edge>,
    free: Vec<u32>,
    /// Memory for walks over the tree.
    stack: Vec<u32>,
    kept: Vec<bool>,
}

impl Tree {
    /// Room for `capacity` nodes of `actions` actions; the root is one of them.
    pub(crate) fn new(capacity: usize, actions: usize) -> Self {
        let mut tree = Self {
            actions,
            root: 0,
            range: Range::EMPTY,
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

    /// Forgets everything; `root` is an unevaluated root.
    pub(crate) fn clear(&mut self, root: u32) {
        self.free.clear();
        self.free.extend((0..self.nodes.len() as u32).rev().filter(|&node| node != root));
        self.root = root;
        self.range = Range::EMPTY;
        self.reset(root, NONE, NONE);
    }

    /// Nodes that can still be added.
    pub(crate) fn room(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn node(&self, node: u32) -> &TreeNode {
        &self.nodes[node as usize]
    }

    /// The actions from a node.
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

    /// *Simulate*: follows `choose` from `from` down to the end of the tree.
    pub(crate) fn simulate(&self, from: u32, choose: impl Fn(&Self, u32) -> Option<usize>) -> Leaf {
        let mut node = from;
        loop {
            match self.node(node).state {
                NodeState::Pending => return Leaf::Pending,
                NodeState::Terminated | NodeState::Truncated => return Leaf::Ended(node),
                NodeState::Open => {}
            }
            let Some(action) = choose(self, node) else { return Leaf::Ended(node) };
            match self.edges(node)[action].child {
                NONE => return Leaf::New { parent: node, action },
                child => node = child,
            }
        }
    }

    /// *Expand*, first half: adds a node that waits for its evaluation. `None` where there is no room.
    pub(crate) fn add(&mut self, parent: u32, action: usize) -> Option<u32> {
        let child = self.free.pop()?;
        self.reset(child, parent, action as u32);
        self.edges_mut(parent)[action].child = child;
        Some(child)
    }

    /// Notes that a simulation is on its way through `node` and all above it, up to but without `above`.
    pub(crate) fn depart(&mut self, mut node: u32, above: u32) {
        while node != above && node != NONE {
            let TreeNode { parent, action, .. } = self.nodes[node as usize];
            self.nodes[node as usize].in_flight += 1;
            if parent != NONE {
                self.edges_mut(parent)[action as usize].in_flight += 1;
            }
            node = parent;
        }
    }

    /// Sets the key of a node's state. Returns whether it is that of a node above it.
    pub(crate) fn repeats(&mut self, node: u32, key: u64) -> bool {
        self.nodes[node as usize].key = key;
        let mut above = self.node(node).parent;
        while above != NONE && self.node(above).key != key {
            above = self.node(above).parent;
        }
        above != NONE
    }

    /// Takes back a node that waits for its evaluation, its announcement by [`depart`](Self::depart) up to but without
    /// `above`, and the action that led to it.
    pub(crate) fn retract(&mut self, leaf: u32, above: u32) {
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

    /// Sets what the transition into `node` gave.
    pub(crate) fn arrive(&mut self, node: u32, step: Step) {
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

    /// *Expand*, second half: sets what the policy says of a node.
    pub(crate) fn open(&mut self, node: u32, log_probs: &[f32], value: f32) {
        let value = if value.is_finite() { value } else { 0.0 };
        self.nodes[node as usize].raw_value = value;
        if self.nodes[node as usize].state.ended() {
            return;
        }
        self.nodes[node as usize].state = NodeState::Open;
        for (edge, &logit) in self.edges_mut(node).iter_mut().zip(log_probs) {
            let logit = if logit.is_nan() { f32::NEG_INFINITY } else { logit };
            *edge = Edge::new(logit);
        }
    }

    /// *Backup*: adds the value of `leaf` to all nodes above it, each return being reward plus `gamma` times the next.
    /// `in_flight` is 1 where the simulation had been announced by [`depart`](Self::depart), and else 0.
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

    /// Makes `child` the root, keeps what is below it, and frees the rest.
    pub(crate) fn re_root(&mut self, child: u32) {
        self.kept.fill(false);
        self.range = Range::EMPTY;
        self.stack.clear();
        self.stack.push(child);
        while let Some(node) = self.stack.pop() {
            self.kept[node as usize] = true;
            if self.node(node).state != NodeState::Open {
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

    /// The actions from the root to `node`, last first, and the rewards that they paid.
    pub(crate) fn way(&self, mut node: u32) -> impl Iterator<Item = (u32, f32)> + '_ {
        std::iter::from_fn(move || {
            let TreeNode { parent, action, .. } = *self.node(node);
            node = parent;
            (parent != NONE).then(|| (action, self.edges(parent)[action as usize].reward))
        })
    }
}
