//! Beam search: the best `width` states of each depth, all at once.
//!
//! A depth has four steps. *Evaluate* evaluates the states kept, in batches on all threads. *Rank* keeps the best of
//! them if the score uses values. *Expand* scores every action of every state. *Select* takes the best of these moves
//! and drops states that were seen before. The policy's own score needs no rank step: the evaluation of the parent has
//! scored all children already, so that only those kept are ever evaluated.

mod rank;
mod score;
mod visited;

use super::action_path::ActionPath;
use super::budget::Limit;
use super::objective::{Objective, exceeds};
use crate::env::batch::VecEnv;
use crate::env::{Start, Step};
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::evaluator::batched::{BatchedEvaluation, action_count};
use crate::parallel;
use crate::rng::Rng;
use crate::space::{ActionSpace, Actions};
use crate::{Error, Result};
use rank::{best_first, rank_index, rank_key};
pub use score::BeamScore;
use visited::{News, Visited};

/// Rows evaluated together: one block of the executor, the smallest unit that threads can share out.
const ROWS: usize = 48;

/// If the score uses values, this many times the width are evaluated: the likeliest by the policy.
const PRESELECT: usize = 8;

/// The widest beam.
const MAX_WIDTH: usize = 1 << 20;

/// The settings of a beam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BeamConfig {
    /// States kept per depth, 1 to 1,048,576.
    pub width: usize,
    /// The ranking of the states.
    pub score: BeamScore,
    /// Maximum length of a solution; `None`: that of an episode of the environment.
    pub max_steps: Option<usize>,
    /// The solution to search for.
    pub objective: Objective,
}

/// The threads that one beam may use. The result is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The current thread.
    One,
    /// All threads of the current rayon pool.
    All,
}

/// The policy of a beam search, and its bounds.
pub(crate) struct BeamRun<'a> {
    /// The policy.
    pub evaluator: &'a dyn Evaluator,
    /// The budget.
    pub limit: Limit<'a>,
    /// Only solutions better than this path are searched for.
    pub incumbent: &'a ActionPath,
    /// The threads to use.
    pub threads: Threads,
}

/// A state of the current or the next depth.
#[derive(Debug, Clone, Copy)]
struct BeamNode {
    slot: usize,
    /// Its row of the evaluation.
    row: usize,
    /// The index of its last move in `links`; [`ROOT`] for the start.
    link: u32,
    /// Sum of rewards.
    total: f32,
    /// Sum of log-probabilities.
    policy: f32,
}

/// A move and the link of the state it was made in.
#[derive(Debug, Clone, Copy)]
struct Link {
    parent: u32,
    action: u32,
}

/// The link of the start.
const ROOT: u32 = u32::MAX;

/// The memory of a beam, reused from problem to problem.
pub(crate) struct Beam {
    config: BeamConfig,
    actions: usize,
    env: Box<dyn VecEnv>,
    /// Slots without a state.
    free: Vec<usize>,
    /// States of the current depth.
    nodes: Vec<BeamNode>,
    /// States of the next depth.
    children: Vec<BeamNode>,
    links: Vec<Link>,
    /// Keys of possible moves, best first when sorted; see [`rank_key`].
    moves: Vec<u64>,
    visited: Visited,
    /// Row `i` of the evaluation is row `i % ROWS` of entry `i / ROWS`.
    evaluations: Vec<BatchedEvaluation>,
    batch: MoveBatch,
}

/// Moves that are made together, `[move]` each.
struct MoveBatch {
    /// Slots of the state before and after.
    pairs: Vec<(usize, usize)>,
    /// Slots of the state after.
    slots: Vec<usize>,
    actions: Actions,
    steps: Vec<Step>,
    /// Keys of the state after.
    keys: Vec<u64>,
}

impl Beam {
    /// Allocates the memory of a beam on `spec`.
    ///
    /// # Errors
    /// If the action space is not one discrete component, or the width is out of range.
    pub(crate) fn new(spec: &dyn EnvSpec, config: BeamConfig) -> Result<Self> {
        let space = spec.action_space();
        let actions = action_count(&space)?;
        // Moves are numbered in 32 bits.
        let most = MAX_WIDTH.min(u32::MAX as usize / actions / PRESELECT);
        if !(1..=most).contains(&config.width) {
            let expected = format!("a width from 1 to {most}");
            return Err(Error::config("search.beam", expected, config.width));
        }
        let slots = config.width + config.children();
        Ok(Self {
            config,
            actions,
            env: spec.search_batch(slots),
            free: Vec::with_capacity(slots),
            nodes: Vec::new(),
            children: Vec::new(),
            links: Vec::new(),
            moves: Vec::new(),
            visited: Visited::new(config.objective),
            evaluations: Vec::new(),
            batch: MoveBatch {
                pairs: Vec::new(),
                slots: Vec::new(),
                actions: Actions::new(&space),
                steps: Vec::new(),
                keys: Vec::new(),
            },
        })
    }

    /// Searches from `start` and returns the best solution, and the number of states evaluated. The search ends at the
    /// first depth with a solution, or at a later one if [`VecEnv::best_return`] allows a longer solution to be better;
    /// or when no state is left or the budget is used up. Without a solution, it returns the path to the best state of
    /// the last depth. If returns count and there is no bound, only the last two end the search.
    ///
    /// Equal states of one depth are merged into that with the best score, and states of earlier depths are dropped. If returns
    /// count, the better one wins, at whatever depth.
    pub(crate) fn run(
        &mut self,
        start: Start<'_>,
        rng: &mut Rng,
        run: &BeamRun<'_>,
    ) -> Result<(ActionPath, u64)> {
        let mut found = run.incumbent.clone();
        if self.begin(start, rng)? {
            return Ok((ActionPath { solved: true, ..ActionPath::default() }, 0));
        }
        let limit = &run.limit;
        let mut nodes = 0;
        for depth in 0..=self.config.max_steps.unwrap_or(usize::MAX - 1) {
            if found.solved {
                self.prune(depth, &found);
            }
            let most = usize::try_from(limit.nodes - nodes).unwrap_or(usize::MAX);
            let surplus = self.children.drain(most.min(self.children.len())..);
            self.free.extend(surplus.map(|node| node.slot));
            if self.children.is_empty() {
                break;
            }
            std::mem::swap(&mut self.nodes, &mut self.children);
            self.children.clear();
            if Some(depth) == self.config.max_steps || limit.expired() {
                break;
            }
            self.evaluate(run)?;
            nodes += self.nodes.len() as u64;
            if limit.expired() {
                break; // some rows may not have been evaluated
            }
            self.rank();
            self.expand();
            self.visited.descend();
            self.select(&mut found)?;
            self.free.extend(self.nodes.iter().map(|node| node.slot));
        }
        if !found.solved
            && let Some(node) = self.nodes.first()
        {
            let actions = self.actions_to(node.link);
            found = ActionPath { solved: false, total: node.total, actions };
        }
        Ok((found, nodes))
    }

    /// Forgets the last problem and makes `start` the only state of the next depth. Returns whether it is solved.
    fn begin(&mut self, start: Start<'_>, rng: &mut Rng) -> Result<bool> {
        self.free.clear();
        self.free.extend((1..self.env.len()).rev());
        self.nodes.clear();
        self.children.clear();
        self.links.clear();
        self.env.begin(0, start, rng)?;
        if self.env.solved(0) {
            return Ok(true);
        }
        self.batch.keys.clear();
        self.env.class_keys(&[0], &mut self.batch.keys)?;
        // One a slot.
        self.visited.begin(self.batch.keys[0]);
        self.children.push(BeamNode { slot: 0, row: 0, link: ROOT, total: 0.0, policy: 0.0 });
        Ok(false)
    }

    /// Evaluates all nodes, row by row in their order.
    fn evaluate(&mut self, run: &BeamRun<'_>) -> Result<()> {
        let batches = self.nodes.len().div_ceil(ROWS);
        if self.evaluations.len() < batches {
            let space = ActionSpace::discrete(self.actions);
            self.evaluations.resize_with(batches, || BatchedEvaluation::new(&space));
        }
        let mut row = 0;
        for (nodes, evaluation) in self.nodes.chunks_mut(ROWS).zip(&mut self.evaluations) {
            self.batch.slots.clear();
            for node in nodes {
                node.row = row;
                row += 1;
                self.batch.slots.push(node.slot);
            }
            evaluation.observe(&mut *self.env, &self.batch.slots)?;
            evaluation.check_choices(&*self.env, &self.batch.slots, |_| true)?;
        }
        let evaluations = &mut self.evaluations[..batches];
        // One depth of a wide beam takes long, so the time is checked here too.
        let evaluate = |evaluation: &mut BatchedEvaluation| {
            if run.limit.expired() { Ok(()) } else { evaluation.evaluate_log_probs(run.evaluator) }
        };
        match run.threads {
            Threads::One => evaluations.iter_mut().try_for_each(evaluate),
            Threads::All => {
                parallel::try_for_each(evaluations, |_, evaluation| evaluate(evaluation))
            }
        }
    }

    /// Keeps the best `width` nodes if the score uses values.
    fn rank(&mut self) {
        let Self { evaluations, config, nodes, moves, free, .. } = self;
        // Nodes come in the order of the policy.
        let (policy, value, first) = match config.score {
            BeamScore::Policy => return,
            BeamScore::Value => (0.0, 1.0, 0),
            BeamScore::Mixed => (0.0, 1.0, config.width.div_ceil(2).min(nodes.len())),
            BeamScore::Blend { weight } => (1.0, weight, 0),
        };
        let score = |node: &BeamNode| {
            let bootstrap_value = evaluations[node.row / ROWS].value(node.row % ROWS);
            policy * node.policy + value * (node.total + bootstrap_value)
        };
        moves.clear();
        let keys = nodes.iter().enumerate().skip(first);
        moves.extend(keys.map(|(index, node)| rank_key(score(node), index)));
        let (_, rest) = best_first(moves, config.width - first);
        for key in rest {
            let node = &mut nodes[rank_index(*key)];
            free.push(node.slot);
            node.slot = usize::MAX;
        }
        nodes.retain(|node| node.slot != usize::MAX);
    }

    /// Lists every move of every node with its score.
    fn expand(&mut self) {
        let Self { nodes, evaluations, moves, actions, .. } = self;
        moves.clear();
        for (index, node) in nodes.iter().enumerate() {
            let log_probs = evaluations[node.row / ROWS].log_probs(node.row % ROWS);
            for (action, &log_prob) in log_probs.iter().enumerate() {
                if log_prob > f32::NEG_INFINITY {
                    moves.push(rank_key(node.policy + log_prob, index * *actions + action));
                }
            }
        }
    }

    /// Makes moves in the order of their scores until enough new states are found.
    fn select(&mut self, found: &mut ActionPath) -> Result<()> {
        let wanted = self.config.children();
        let mut moves = std::mem::take(&mut self.moves);
        let mut rest = &mut moves[..];
        while self.children.len() < wanted && !rest.is_empty() {
            let (now, later) = best_first(rest, wanted - self.children.len());
            self.make(now)?;
            self.keep(now, found);
            rest = later;
        }
        self.moves = moves;
        Ok(())
    }

    /// Makes these moves, each in a slot of its own.
    fn make(&mut self, moves: &[u64]) -> Result<()> {
        let Self { batch, nodes, free, env, actions, .. } = self;
        let MoveBatch { pairs, actions: made, slots, steps, keys } = batch;
        pairs.clear();
        made.clear();
        slots.clear();
        steps.clear();
        keys.clear();
        // There are as many slots as nodes and children, and no more moves than children that are still wanted.
        slots.extend(free.drain(free.len() - moves.len()..).rev());
        for (&key, &slot) in moves.iter().zip(&*slots) {
            pairs.push((nodes[rank_index(key) / *actions].slot, slot));
            made.push((rank_index(key) % *actions).into());
        }
        env.copy(pairs)?;
        env.step(slots, made, steps)?;
        env.class_keys(slots, keys)
    }

    /// Keeps the new states that these moves led to as children, and the best of the solutions in `found`.
    fn keep(&mut self, moves: &[u64], found: &mut ActionPath) {
        for (i, &key) in moves.iter().enumerate() {
            let (index, action) = (rank_index(key) / self.actions, rank_index(key) % self.actions);
            let (node, step) = (self.nodes[index], self.batch.steps[i]);
            let (slot, state) = (self.batch.slots[i], self.batch.keys[i]);
            let total = node.total + step.reward;
            if step.done() {
                let solved = step.terminated && self.env.solved(slot);
                let close = !found.solved || !exceeds(found.total, total);
                if solved && close {
                    let mut actions = self.actions_to(node.link);
                    actions.push(action as u32);
                    let path = ActionPath { solved: true, total, actions };
                    if self.config.objective.prefers(&path, found) {
                        *found = path;
                    }
                }
                self.free.push(slot);
                continue;
            }
            let news = self.visited.visit(state, total, self.children.len());
            if news == News::None {
                self.free.push(slot);
                continue;
            }
            let log_probs = self.evaluations[node.row / ROWS].log_probs(node.row % ROWS);
            let policy = node.policy + log_probs[action];
            let link = self.links.len() as u32;
            self.links.push(Link { parent: node.link, action: action as u32 });
            let child = BeamNode { slot, row: 0, link, total, policy };
            if let News::Replaces(index) = news {
                let before = std::mem::replace(&mut self.children[index], child);
                self.free.push(before.slot);
                // The state is as likely as by its likelier path.
                self.children[index].policy = policy.max(before.policy);
            } else {
                self.children.push(child);
            }
        }
    }

    /// Drops the children, of depth `depth`, from which nothing better than `found` can be reached. If the environment
    /// knows no bound on the return, only shorter solutions are assumed to be better, or any if returns count.
    fn prune(&mut self, depth: usize, found: &ActionPath) {
        let Self { children, env, free, config, .. } = self;
        children.retain(|node| {
            let can_improve = match (config.objective, env.best_return(node.slot)) {
                (Objective::Length, Some(rest)) => node.total + rest > found.total,
                (Objective::Length, None) => depth + 1 < found.actions.len(),
                (Objective::Return, Some(rest)) => exceeds(node.total + rest, found.total),
                (Objective::Return, None) => true,
            };
            if !can_improve {
                free.push(node.slot);
            }
            can_improve
        });
    }

    /// Returns the actions from the start to `link`.
    fn actions_to(&self, mut link: u32) -> Vec<u32> {
        let mut actions = Vec::new();
        while link != ROOT {
            let Link { parent, action } = self.links[link as usize];
            actions.push(action);
            link = parent;
        }
        actions.reverse();
        actions
    }
}

impl BeamConfig {
    /// States evaluated per depth.
    fn children(&self) -> usize {
        match self.score {
            BeamScore::Policy => self.width,
            BeamScore::Value | BeamScore::Mixed | BeamScore::Blend { .. } => self.width * PRESELECT,
        }
    }
}
