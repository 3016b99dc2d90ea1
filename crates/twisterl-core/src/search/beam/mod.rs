//! Beam search: the best `width` states of each depth, all at once.
//!
//! A depth is four steps: *expand* scores every action of every state kept, *select* makes the best of these moves and
//! drops states that were seen before, *evaluate* asks the policy about what is left, in batches on all threads, and
//! *rank* keeps the best of these where values count. The policy's own score needs no rank: the parent's evaluation
//! has scored all children already, so that only those kept are ever evaluated.

mod rank;

use super::action_path::{ActionPath, Seen};
use super::budget::Limit;
use crate::env::batch::VecEnv;
use crate::env::{Start, Step};
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::evaluator::batched::{BatchedEvaluation, action_count};
use crate::parallel;
use crate::rng::Rng;
use crate::space::{ActionSpace, Actions};
use crate::{Error, Result};
use rank::{best, rank_index, rank_key};

/// Rows evaluated together: one block of the executor, the least that can be shared out among threads.
const ROWS: usize = 48;

/// Where values count, so many times the width are evaluated, the likeliest by the policy; the rest is not looked at.
const PRESELECT: usize = 8;

/// The widest beam.
pub(crate) const MAX_WIDTH: usize = 1 << 20;

/// By what a beam ranks the states of one depth.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum BeamScore {
    /// The sum of the log-probabilities of the actions that led there.
    #[default]
    Policy,
    /// The rewards so far plus the value.
    Value,
    /// The policy's sum plus `weight` times the rewards so far plus the value.
    Blend {
        /// What one unit of reward is worth in units of log-probability.
        weight: f32,
    },
}

/// How a beam is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BeamConfig {
    /// States kept of each depth, 1 to 1,048,576.
    pub width: usize,
    /// What ranks them.
    pub score: BeamScore,
    /// The longest solution; `None`: as long as the environment allows.
    pub max_steps: Option<usize>,
}

/// Which threads one beam may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The one that it runs on.
    One,
    /// All of the current rayon pool. The result is the same.
    All,
}

/// A state that was kept.
#[derive(Debug, Clone, Copy)]
struct BeamNode {
    slot: usize,
    /// Its row of the evaluation.
    row: usize,
    /// Its place among the links.
    link: u32,
    total: f32,
    /// Sum of log-probabilities.
    policy: f32,
}

/// How a state was reached.
#[derive(Debug, Clone, Copy)]
struct Link {
    parent: u32,
    action: u32,
}

/// The parent of the first state.
const ROOT: u32 = u32::MAX;

/// The memory of a beam, reused from problem to problem.
pub(crate) struct Beam {
    config: BeamConfig,
    actions: usize,
    env: Box<dyn VecEnv>,
    /// Slots that hold nothing.
    free: Vec<usize>,
    nodes: Vec<BeamNode>,
    children: Vec<BeamNode>,
    links: Vec<Link>,
    /// Possible moves, best first when sorted, see [`rank_key`].
    moves: Vec<u64>,
    seen: Seen,
    judges: Vec<BatchedEvaluation>,
    batch: Batch,
}

/// The moves that are made together.
struct Batch {
    pairs: Vec<(usize, usize)>,
    slots: Vec<usize>,
    actions: Actions,
    steps: Vec<Step>,
    keys: Vec<u64>,
}

impl Beam {
    /// Memory for beams on `spec`.
    ///
    /// # Errors
    /// If the action space is not one discrete choice, or the width is out of range.
    pub(crate) fn new(spec: &dyn EnvSpec, config: BeamConfig) -> Result<Self> {
        let space = spec.action_space();
        let actions = action_count(&space)?;
        let most = MAX_WIDTH.min(u32::MAX as usize / actions / PRESELECT);
        if !(1..=most).contains(&config.width) {
            return Err(Error::config(
                "search.beam",
                format!("a width of 1 to {most}"),
                config.width,
            ));
        }
        let slots = config.width + config.children();
        Ok(Self {
            config,
            actions,
            env: spec.batch(slots),
            free: Vec::with_capacity(slots),
            nodes: Vec::new(),
            children: Vec::new(),
            links: Vec::new(),
            moves: Vec::new(),
            seen: Seen::default(),
            judges: Vec::new(),
            batch: Batch {
                pairs: Vec::new(),
                slots: Vec::new(),
                actions: Actions::new(&space),
                steps: Vec::new(),
                keys: Vec::new(),
            },
        })
    }

    /// Searches from `start` and returns the best solution, and the number of states evaluated. It ends
    /// at the first depth with a solution, or at a later one where [`VecEnv::best_return`] says that a longer
    /// one may bring more; or when no state is left or the budget is used up. Only solutions better than `rival` are
    /// looked for. Unsolved, it is the path to the best state of the last depth.
    ///
    /// Equal states of one depth are merged, into that with the best score, and those seen at lower depths dropped.
    pub(crate) fn run(
        &mut self,
        start: Start<'_>,
        rng: &mut Rng,
        evaluator: &dyn Evaluator,
        limit: &Limit<'_>,
        (rival, spread): (&ActionPath, Threads),
    ) -> Result<(ActionPath, u64)> {
        self.clear();
        let mut found = rival.clone();
        self.env.begin(0, start, rng)?;
        if self.env.solved(0) {
            return Ok((ActionPath { solved: true, ..ActionPath::default() }, 0));
        }
        self.batch.keys.clear();
        self.env.keys(&[0], &mut self.batch.keys)?;
        self.seen.extend(&self.batch.keys);
        self.children.push(BeamNode { slot: 0, row: 0, link: ROOT, total: 0.0, policy: 0.0 });
        let mut nodes = 0;
        for depth in 0..=self.config.max_steps.unwrap_or(usize::MAX - 1) {
            if found.solved {
                self.drop_hopeless(depth, &found);
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
            self.evaluate(evaluator, limit, spread)?;
            nodes += self.nodes.len() as u64;
            if limit.expired() {
                break; // some rows may not have been evaluated
            }
            self.rank();
            self.expand();
            self.select(&mut found)?;
            self.free.extend(self.nodes.iter().map(|node| node.slot));
        }
        if !found.solved
            && let Some(node) = self.nodes.first()
        {
            found = ActionPath { solved: false, total: node.total, actions: self.path(node.link) };
        }
        Ok((found, nodes))
    }

    fn clear(&mut self) {
        self.free.clear();
        self.free.extend((1..self.env.len()).rev());
        self.nodes.clear();
        self.children.clear();
        self.links.clear();
        self.seen.clear();
    }

    /// Evaluates all nodes, row by row in their order.
    fn evaluate(
        &mut self,
        evaluator: &dyn Evaluator,
        limit: &Limit<'_>,
        spread: Threads,
    ) -> Result<()> {
        let batches = self.nodes.len().div_ceil(ROWS);
        if self.judges.len() < batches {
            let space = ActionSpace::discrete(self.actions);
            self.judges.resize_with(batches, || BatchedEvaluation::new(&space));
        }
        let mut row = 0;
        for (nodes, judge) in self.nodes.chunks_mut(ROWS).zip(&mut self.judges) {
            self.batch.slots.clear();
            for node in nodes {
                node.row = row;
                row += 1;
                self.batch.slots.push(node.slot);
            }
            judge.observe(&mut *self.env, &self.batch.slots)?;
        }
        let judges = self.judges.get_mut(..batches).unwrap_or(&mut []);
        // A wide beam takes long for one depth, so that the time is looked at here, too.
        let evaluate = |judge: &mut BatchedEvaluation| {
            if limit.expired() { Ok(()) } else { judge.evaluate_log_probs(evaluator) }
        };
        match spread {
            Threads::One => judges.iter_mut().try_for_each(evaluate),
            Threads::All => parallel::try_for_each(judges, |_, judge| evaluate(judge)),
        }
    }

    /// Keeps the best `width` nodes where values count.
    fn rank(&mut self) {
        let Self { judges, config, nodes, moves, free, .. } = self;
        let (policy, value) = match config.score {
            BeamScore::Policy => return,
            BeamScore::Value => (0.0, 1.0),
            BeamScore::Blend { weight } => (1.0, weight),
        };
        let worth = |node: &BeamNode| {
            let judge = judges.get(node.row / ROWS);
            node.total + judge.map_or(0.0, |judge| judge.value(node.row % ROWS))
        };
        moves.clear();
        moves.extend(
            nodes
                .iter()
                .enumerate()
                .map(|(index, node)| rank_key(policy * node.policy + value * worth(node), index)),
        );
        let (_, rest) = best(moves, config.width);
        for key in rest {
            if let Some(node) = nodes.get_mut(rank_index(*key)) {
                free.push(node.slot);
                node.slot = usize::MAX;
            }
        }
        nodes.retain(|node| node.slot != usize::MAX);
    }

    /// Lists every move from every node with its score.
    fn expand(&mut self) {
        let Self { nodes, judges, moves, actions, .. } = self;
        moves.clear();
        for (index, node) in nodes.iter().enumerate() {
            let Some(judge) = judges.get(node.row / ROWS) else { continue };
            for (action, &log_prob) in judge.log_probs(node.row % ROWS).iter().enumerate() {
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
            let (now, later) = best(rest, wanted - self.children.len());
            self.make(now, found)?;
            rest = later;
        }
        self.moves = moves;
        Ok(())
    }

    /// Makes these moves; keeps the states that are new, and the best of the solutions.
    fn make(&mut self, moves: &[u64], found: &mut ActionPath) -> Result<()> {
        let Self { batch, nodes, free, env, actions, .. } = self;
        let Batch { pairs, actions: made, slots, steps, keys } = batch;
        pairs.clear();
        made.clear();
        slots.clear();
        steps.clear();
        keys.clear();
        for &key in moves {
            let (Some(node), Some(slot)) = (nodes.get(rank_index(key) / *actions), free.pop())
            else {
                let place = "search.beam";
                return Err(Error::config(place, "a free slot for every move", "none left"));
            };
            pairs.push((node.slot, slot));
            made.push((rank_index(key) % *actions).into());
            slots.push(slot);
        }
        env.copy(pairs)?;
        env.step(slots, made, steps)?;
        env.keys(slots, keys)?;
        for (i, &key) in moves.iter().enumerate() {
            let (index, action) = (rank_index(key) / self.actions, rank_index(key) % self.actions);
            let Batch { slots, steps, keys, .. } = &self.batch;
            let (Some(&node), Some(&slot), Some(step), Some(&state)) =
                (self.nodes.get(index), slots.get(i), steps.get(i), keys.get(i))
            else {
                continue;
            };
            let total = node.total + step.reward;
            if step.done() {
                if step.terminated
                    && self.env.solved(slot)
                    && (!found.solved || total >= found.total)
                {
                    let mut actions = self.path(node.link);
                    actions.push(action as u32);
                    let path = ActionPath { solved: true, total, actions };
                    if path.better_than(found) {
                        *found = path;
                    }
                }
                self.free.push(slot);
            } else if self.seen.insert(state) {
                let log_prob = self
                    .judges
                    .get(node.row / ROWS)
                    .and_then(|judge| judge.log_probs(node.row % ROWS).get(action).copied());
                let link = self.links.len() as u32;
                self.links.push(Link { parent: node.link, action: action as u32 });
                let policy = node.policy + log_prob.unwrap_or(f32::NEG_INFINITY);
                self.children.push(BeamNode { slot, row: 0, link, total, policy });
            } else {
                self.free.push(slot);
            }
        }
        Ok(())
    }

    /// Drops the states of `depth` from which nothing better than `found` can be reached. Where the environment knows
    /// no bound on the return, that is said to be so of longer solutions.
    fn drop_hopeless(&mut self, depth: usize, found: &ActionPath) {
        let Self { children, env, free, .. } = self;
        children.retain(|node| {
            let hope = match env.best_return(node.slot) {
                Some(rest) => node.total + rest > found.total,
                None => depth + 1 < found.actions.len(),
            };
            if !hope {
                free.push(node.slot);
            }
            hope
        });
    }

    /// The actions that lead to `link`.
    fn path(&self, mut link: u32) -> Vec<u32> {
        let mut actions = Vec::new();
        while let Some(step) = self.links.get(link as usize) {
            actions.push(step.action);
            link = step.parent;
        }
        actions.reverse();
        actions
    }
}

impl BeamConfig {
    /// States of one depth that are evaluated.
    fn children(&self) -> usize {
        match self.score {
            BeamScore::Policy => self.width,
            BeamScore::Value | BeamScore::Blend { .. } => self.width * PRESELECT,
        }
    }
}
