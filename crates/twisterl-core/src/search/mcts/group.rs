//! Games that are searched in lock step. Each round, *simulate* finds leaves in all trees, *expand* creates and
//! evaluates them in one batch, and *backup* adds their values to the nodes above them.

use super::cache::Cache;
use super::config::{Cycles, Plan, Reuse, SearchConfig};
use super::game::{Game, Pending};
use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::{Start, Step};
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::evaluator::batched::BatchedEvaluation;
use crate::rng::Rng;
use crate::search::budget::Limit;
use crate::search::tree::{Leaf, NONE, NodeState};
use crate::space::{Actions, Observations};

/// Games that share their batches.
pub(super) struct GameGroup {
    config: SearchConfig,
    /// Slots of one game. Node `n` of game `g` is in slot `g * capacity + n`.
    capacity: usize,
    env: Box<dyn VecEnv>,
    pub(super) games: Vec<Game>,
    cache: Cache,
    evaluation: BatchedEvaluation,
    leaves: Leaves,
    /// Simulations that continue below the leaf just evaluated.
    extending: Vec<Pending>,
    /// Keys of the new nodes, `[pending]`.
    keys: Vec<u64>,
    /// Indices of the pending nodes that have to be evaluated, and their slots.
    rows: Vec<usize>,
    slots: Vec<usize>,
}

/// The leaves that one round adds, and the steps that lead to them, `[pending]` each.
struct Leaves {
    pending: Vec<Pending>,
    /// Slots of the parent and of the new node.
    pairs: Vec<(usize, usize)>,
    slots: Vec<usize>,
    moves: Actions,
    steps: Vec<Step>,
}

impl Leaves {
    fn clear(&mut self) {
        self.pending.clear();
        self.pairs.clear();
        self.slots.clear();
        self.moves.clear();
        self.steps.clear();
    }

    /// Adds the node of `action` from `parent` to the tree of `game`, for the simulation `from`, whose slots start at
    /// `base`. Returns false if the tree is full.
    fn add(
        &mut self,
        game: &mut Game,
        (from, base): (Pending, usize),
        parent: u32,
        action: usize,
    ) -> bool {
        let Some(node) = game.tree.add(parent, action) else { return false };
        game.tree.add_in_flight(node, from.node);
        game.nodes += 1;
        self.pending.push(Pending { node, depth: from.depth + 1, ..from });
        self.pairs.push((base + parent as usize, base + node as usize));
        self.slots.push(base + node as usize);
        self.moves.push(action.into());
        true
    }
}

impl GameGroup {
    pub(super) fn new(
        spec: &dyn EnvSpec,
        len: usize,
        actions: usize,
        config: SearchConfig,
    ) -> Self {
        let capacity = config.capacity();
        Self {
            config,
            capacity,
            env: spec.search_batch(len * capacity),
            games: (0..len).map(|_| Game::new(actions, &config)).collect(),
            cache: Cache::new(config.cache, actions),
            evaluation: BatchedEvaluation::new(&spec.action_space()),
            leaves: Leaves {
                pending: Vec::new(),
                pairs: Vec::new(),
                slots: Vec::new(),
                moves: Actions::new(&spec.action_space()),
                steps: Vec::new(),
            },
            extending: Vec::new(),
            keys: Vec::new(),
            rows: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// The slot of a game's root.
    fn root_slot(&self, game: usize) -> usize {
        game * self.capacity + self.games[game].tree.root as usize
    }

    pub(super) fn forget_evaluations(&mut self) {
        self.cache.clear();
    }

    pub(super) fn begin(&mut self, index: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        let slot = self.root_slot(index);
        self.env.begin(slot, start, rng)?;
        let solved = self.env.solved(slot);
        self.games[index].begin(solved);
        Ok(())
    }

    /// Returns an upper bound on the return of the rest of the episode, if one is known.
    pub(super) fn best_return(&self, game: usize) -> Option<f32> {
        self.env.best_return(self.root_slot(game))
    }

    /// Returns the solution that the environment reports for the game.
    pub(super) fn reported_solution(&self, game: usize) -> Result<Option<Vec<u64>>> {
        self.env.reported_solution(self.root_slot(game))
    }

    pub(super) fn solved(&self, game: usize) -> bool {
        self.env.solved(self.root_slot(game))
    }

    pub(super) fn observe(
        &mut self,
        game: usize,
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        let slot = self.root_slot(game);
        self.env.observe(&[slot], observations, masks)
    }

    /// Searches each game according to its plan.
    pub(super) fn run(
        &mut self,
        evaluator: &dyn Evaluator,
        plans: &[Plan],
        limit: &Limit<'_>,
    ) -> Result<()> {
        self.evaluate_roots(evaluator, plans)?;
        for (game, plan) in self.games.iter_mut().zip(plans) {
            if game.planned > 0 {
                game.begin_move(plan, &self.config);
            }
        }
        while !limit.expired() {
            if !self.simulate()? && self.games.iter().all(|game| game.started >= game.planned) {
                break;
            }
            self.expand(evaluator)?;
            self.back_up();
        }
        // Time may have cut simulations short.
        for at in self.extending.drain(..) {
            self.games[at.game].tree.back_up(at.node, self.config.gamma, 1);
        }
        for game in self.games.iter_mut().filter(|game| game.planned > 0) {
            game.simulations += game.started as u64;
            game.finish_move(&self.config);
        }
        Ok(())
    }

    /// Sets the number of simulations of each game, and evaluates the roots that are new.
    fn evaluate_roots(&mut self, evaluator: &dyn Evaluator, plans: &[Plan]) -> Result<()> {
        self.leaves.clear();
        self.extending.clear();
        self.games.iter_mut().for_each(|game| (game.started, game.planned) = (0, 0));
        for (index, (game, plan)) in self.games.iter_mut().zip(plans).enumerate() {
            let root = game.tree.root;
            let state = game.tree.node(root).state;
            game.planned =
                if state.ended() { 0 } else { plan.simulations.min(self.config.simulations) };
            if game.planned > 0 && state == NodeState::Pending {
                game.nodes += 1;
                self.leaves.pending.push(Pending { game: index, node: root, depth: 0 });
                self.leaves.steps.push(Step::default());
            }
        }
        self.expand(evaluator)?;
        for at in &self.leaves.pending {
            self.games[at.game].tree.back_up(at.node, self.config.gamma, 0);
        }
        Ok(())
    }

    /// Finds leaves in all trees and steps into them. Returns whether there are any.
    fn simulate(&mut self) -> Result<bool> {
        self.leaves.clear();
        self.extend_simulations();
        self.start_simulations();
        let Leaves { pending, pairs, slots, moves, steps } = &mut self.leaves;
        self.env.copy(pairs)?;
        self.env.step(slots, moves, steps)?;
        Ok(!pending.is_empty())
    }

    /// Follows simulations that continue below the leaf of the last round.
    fn extend_simulations(&mut self) {
        let Self { config, games, leaves, extending, capacity, .. } = self;
        for from in extending.drain(..) {
            let game = &mut games[from.game];
            let leaf = game.tree.simulate(from.node, |tree, node| config.choose(tree, node, None));
            let added = match leaf {
                Leaf::New { parent, action } => {
                    leaves.add(game, (from, from.game * *capacity), parent, action)
                }
                Leaf::Ended(_) | Leaf::Pending => false,
            };
            if !added {
                game.tree.back_up(from.node, config.gamma, 1);
            }
        }
    }

    /// Starts simulations at the roots, as many as may share a round.
    fn start_simulations(&mut self) {
        let Self { config, games, leaves, capacity, .. } = self;
        for (index, game) in games.iter_mut().enumerate() {
            // Sequential halving compares the values of a phase after it, so none of them may be missing.
            let end = game.schedule.get(game.started).map_or(game.planned, |s| s.phase_end);
            let end = game.planned.min(end);
            let mut added = 0;
            while game.started < end && added < config.leaves {
                let visits = game.schedule.get(game.started).map(|s| s.considered_visits);
                let root = game.tree.root;
                let leaf = game.tree.simulate(root, |tree, node| config.choose(tree, node, visits));
                match leaf {
                    Leaf::New { parent, action } => {
                        let from = Pending { game: index, node: NONE, depth: 0 };
                        if !leaves.add(game, (from, index * *capacity), parent, action) {
                            game.planned = game.started; // full
                            break;
                        }
                        added += 1;
                    }
                    Leaf::Ended(node) => game.tree.back_up(node, config.gamma, 0),
                    Leaf::Pending => break,
                }
                game.started += 1;
            }
        }
    }

    /// Evaluates the pending nodes in one batch, except for those that are final or cached.
    fn expand(&mut self, evaluator: &dyn Evaluator) -> Result<()> {
        let Self { config, games, leaves, slots, keys, rows, env, cache, evaluation, .. } = self;
        let Leaves { pending, steps, .. } = leaves;
        let capacity = self.capacity;
        let slot = |at: &Pending| at.game * capacity + at.node as usize;
        slots.clear();
        slots.extend(pending.iter().map(slot));
        keys.clear();
        if cache.is_empty() && config.cycles == Cycles::Allow {
            keys.resize(slots.len(), 0);
        } else {
            env.keys(slots, keys)?;
        }
        rows.clear();
        slots.clear();
        for (i, at) in pending.iter_mut().enumerate() {
            let (game, step, key) = (&mut games[at.game], steps[i], keys[i]);
            game.tree.set_step(at.node, step);
            if step.terminated {
                if env.solved(slot(at)) {
                    game.record_solution(at.node);
                }
            } else if config.cycles == Cycles::Prune && game.prune_cycle(at, key, config) {
                at.node = NONE;
            } else if let Some((log_probs, value)) = cache.get(key) {
                game.tree.set_evaluation(at.node, log_probs, value);
            } else {
                rows.push(i);
                slots.push(slot(at));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        evaluation.observe(&mut **env, slots)?;
        evaluation.check_choices(&**env, slots, |row| !steps[rows[row]].truncated)?;
        evaluation.evaluate_log_probs(evaluator)?;
        for (row, &i) in rows.iter().enumerate() {
            let (at, key) = (&pending[i], keys[i]);
            let (log_probs, value) = (evaluation.log_probs(row), evaluation.value(row));
            games[at.game].tree.set_evaluation(at.node, log_probs, value);
            cache.put(key, log_probs, value);
        }
        Ok(())
    }

    /// Backs up all leaves of the round, except for those below which their simulation continues.
    fn back_up(&mut self) {
        for at in self.leaves.pending.iter().filter(|at| at.node != NONE) {
            let tree = &mut self.games[at.game].tree;
            if at.depth < self.config.max_expand_depth
                && tree.node(at.node).state == NodeState::Expanded
            {
                self.extending.push(*at);
            } else {
                tree.back_up(at.node, self.config.gamma, 1);
            }
        }
    }

    /// Makes a move in a game and keeps the subtree that it leads to.
    pub(super) fn advance(&mut self, index: usize, action: usize) -> Result<Step> {
        let from = self.root_slot(index);
        let game = &mut self.games[index];
        let root = game.tree.root;
        let edge = game.tree.edges(root).get(action).copied();
        let state = game.tree.node(root).state;
        if state.ended() {
            return Ok(state.step(0.0));
        }
        self.keys.clear();
        self.env.keys(&[from], &mut self.keys)?;
        game.visited.extend(&self.keys);
        let step = match edge {
            Some(edge) if state == NodeState::Expanded && edge.child != NONE => {
                let state = game.tree.node(edge.child).state;
                if self.config.reuse == Reuse::Subtree {
                    game.tree.re_root(edge.child);
                }
                let room = game.tree.free_nodes();
                if self.config.reuse == Reuse::Nothing || room < self.config.growth() {
                    game.tree.clear(edge.child);
                }
                state.step(edge.reward)
            }
            _ => {
                // The action was never tried, so nothing of the tree is below it.
                let Leaves { moves, steps, .. } = &mut self.leaves;
                moves.clear();
                moves.push(action.into());
                steps.clear();
                self.env.step(&[from], moves, steps)?;
                game.tree.clear(root);
                steps[0]
            }
        };
        if step.done() {
            game.tree.set_step(game.tree.root, step);
        }
        game.total += step.reward;
        game.played.push(action as u32);
        let slot = self.root_slot(index);
        if step.terminated && self.env.solved(slot) {
            let game = &mut self.games[index];
            game.record_solution(game.tree.root);
        }
        Ok(step)
    }
}
