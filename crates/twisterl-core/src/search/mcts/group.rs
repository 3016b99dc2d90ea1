//! Some games that are searched in lock step: each round, *simulate* finds leaves in all trees, *expand* makes and
//! evaluates them in one batch, and *backup* takes what they are worth to the roots.

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
    /// Slots of one game.
    capacity: usize,
    env: Box<dyn VecEnv>,
    pub(super) games: Vec<Game>,
    cache: Cache,
    judge: BatchedEvaluation,
    pending: Vec<Pending>,
    /// Simulations that go on below the leaf just evaluated.
    longer: Vec<Pending>,
    pairs: Vec<(usize, usize)>,
    slots: Vec<usize>,
    moves: Actions,
    steps: Vec<Step>,
    keys: Vec<u64>,
    /// Places among `pending` of what has to be evaluated.
    rows: Vec<usize>,
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
            env: spec.batch(len * capacity),
            games: (0..len).map(|_| Game::new(actions, &config)).collect(),
            cache: Cache::new(config.cache, actions),
            judge: BatchedEvaluation::new(&spec.action_space()),
            pending: Vec::new(),
            longer: Vec::new(),
            pairs: Vec::new(),
            slots: Vec::new(),
            moves: Actions::new(&spec.action_space()),
            steps: Vec::new(),
            keys: Vec::new(),
            rows: Vec::new(),
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

    /// The most that the rest of the episode can pay.
    pub(super) fn best_return(&self, game: usize) -> Option<f32> {
        self.env.best_return(self.root_slot(game))
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

    /// Searches each game as its plan says.
    pub(super) fn run(
        &mut self,
        evaluator: &dyn Evaluator,
        plans: &[Plan],
        limit: &Limit<'_>,
    ) -> Result<()> {
        self.pending.clear();
        self.longer.clear();
        self.games.iter_mut().for_each(|game| (game.begun, game.wanted) = (0, 0));
        for (index, (game, plan)) in self.games.iter_mut().zip(plans).enumerate() {
            let root = game.tree.root;
            let state = game.tree.node(root).state;
            game.wanted =
                if state.ended() { 0 } else { plan.simulations.min(self.config.simulations) };
            if game.wanted > 0 && state == NodeState::Pending {
                game.nodes += 1;
                self.pending.push(Pending { game: index, node: root, depth: 0 });
            }
        }
        self.steps.clear();
        self.steps.resize(self.pending.len(), Step::default());
        self.expand(evaluator)?;
        for at in &self.pending {
            self.games[at.game].tree.back_up(at.node, self.config.gamma, 0);
        }
        for (game, plan) in self.games.iter_mut().zip(plans) {
            if game.wanted > 0 {
                game.prepare(plan, &self.config);
            }
        }
        while !limit.expired() {
            if !self.simulate()? && self.games.iter().all(|game| game.begun >= game.wanted) {
                break;
            }
            self.expand(evaluator)?;
            self.back_up();
        }
        self.abandon();
        for game in self.games.iter_mut().filter(|game| game.wanted > 0) {
            game.simulations += game.begun as u64;
            game.conclude(&self.config);
        }
        Ok(())
    }

    /// Finds leaves, makes their nodes and steps into them. Returns whether there are any.
    fn simulate(&mut self) -> Result<bool> {
        let Self {
            config, games, pending, longer, pairs, slots, moves, steps, env, capacity, ..
        } = self;
        pending.clear();
        pairs.clear();
        slots.clear();
        moves.clear();
        steps.clear();
        let mut add = |game: &mut Game, from: Pending, parent: u32, action: usize| {
            let Some(node) = game.tree.add(parent, action) else { return false };
            game.tree.depart(node, from.node);
            game.nodes += 1;
            pending.push(Pending { node, depth: from.depth + 1, ..from });
            let base = from.game * *capacity;
            pairs.push((base + parent as usize, base + node as usize));
            slots.push(base + node as usize);
            moves.push(action.into());
            true
        };
        for from in longer.drain(..) {
            let game = &mut games[from.game];
            let leaf = game.tree.simulate(from.node, |tree, node| config.choose(tree, node, None));
            let more = match leaf {
                Leaf::New { parent, action } => add(game, from, parent, action),
                Leaf::Ended(_) | Leaf::Pending => false,
            };
            if !more {
                game.tree.back_up(from.node, config.gamma, 1);
            }
        }
        for (index, game) in games.iter_mut().enumerate() {
            // Sequential halving visits equally often, and then compares values, of which none may be missing.
            let end = game.turns.get(game.begun).map_or(game.wanted, |turn| turn.end);
            let end = game.wanted.min(end);
            let mut leaves = 0;
            while game.begun < end && leaves < config.leaves {
                let turn = game.turns.get(game.begun).map(|turn| turn.visits);
                let root = game.tree.root;
                let leaf = game.tree.simulate(root, |tree, node| config.choose(tree, node, turn));
                match leaf {
                    Leaf::New { parent, action } => {
                        let from = Pending { game: index, node: NONE, depth: 0 };
                        if !add(game, from, parent, action) {
                            game.wanted = game.begun; // full
                            break;
                        }
                        leaves += 1;
                    }
                    Leaf::Ended(node) => game.tree.back_up(node, config.gamma, 0),
                    Leaf::Pending => break,
                }
                game.begun += 1;
            }
        }
        env.copy(pairs)?;
        env.step(slots, moves, steps)?;
        Ok(!pending.is_empty())
    }

    /// Evaluates what is pending, in one batch but for what is over or known.
    fn expand(&mut self, evaluator: &dyn Evaluator) -> Result<()> {
        let Self { config, games, pending, slots, steps, keys, rows, env, cache, judge, .. } = self;
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
        for (i, ((at, step), &key)) in
            pending.iter_mut().zip(steps.iter()).zip(keys.iter()).enumerate()
        {
            let game = &mut games[at.game];
            game.tree.arrive(at.node, *step);
            if step.terminated {
                if env.solved(slot(at)) {
                    game.remember(at.node);
                }
            } else if config.cycles == Cycles::Prune && game.repeats(at, key, config) {
                at.node = NONE;
            } else if let Some((log_probs, value)) = cache.get(key) {
                game.tree.open(at.node, log_probs, value);
            } else {
                rows.push(i);
                slots.push(slot(at));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        judge.observe(&mut **env, slots)?;
        judge.evaluate_log_probs(evaluator)?;
        for (row, &i) in rows.iter().enumerate() {
            let (at, key) = (&pending[i], keys[i]);
            games[at.game].tree.open(at.node, judge.log_probs(row), judge.value(row));
            cache.put(key, judge.log_probs(row), judge.value(row));
        }
        Ok(())
    }

    /// Backs up all leaves of the round, but for those below which their simulation goes on.
    fn back_up(&mut self) {
        for at in self.pending.iter().filter(|at| at.node != NONE) {
            let tree = &mut self.games[at.game].tree;
            if at.depth < self.config.max_expand_depth
                && tree.node(at.node).state == NodeState::Open
            {
                self.longer.push(*at);
            } else {
                tree.back_up(at.node, self.config.gamma, 1);
            }
        }
    }

    /// Ends simulations that time cut short.
    fn abandon(&mut self) {
        for at in self.longer.drain(..) {
            self.games[at.game].tree.back_up(at.node, self.config.gamma, 1);
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
        game.past.extend(&self.keys);
        let open = state == NodeState::Open;
        let step = match edge {
            Some(edge) if open && edge.child != NONE => {
                let state = game.tree.node(edge.child).state;
                if self.config.reuse == Reuse::Subtree {
                    game.tree.re_root(edge.child);
                }
                if self.config.reuse == Reuse::Nothing || game.tree.room() < self.config.growth() {
                    game.tree.clear(edge.child);
                }
                state.step(edge.reward)
            }
            _ => {
                // Never tried, so that nothing of the tree can stay.
                self.moves.clear();
                self.moves.push(action.into());
                self.steps.clear();
                self.env.step(&[from], &self.moves, &mut self.steps)?;
                game.tree.clear(root);
                self.steps.first().copied().unwrap_or_default()
            }
        };
        if step.done() {
            game.tree.arrive(game.tree.root, step);
        }
        game.total += step.reward;
        game.played.push(action as u32);
        let slot = self.root_slot(index);
        if step.terminated && self.env.solved(slot) {
            let game = &mut self.games[index];
            game.remember(game.tree.root);
        }
        Ok(step)
    }
}
