//! Slots that are taken and given back, of a batch that grows with need.

use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::{Start, Step};
use crate::rng::{Purpose, Rng, stream};
use crate::space::{ActionSpace, Actions};

/// The number of slots at first.
const SLOTS: usize = 64;

/// The slot in which episodes begin at given states only, so that it keeps the difficulty of the parameters.
pub(super) const GIVEN: usize = 0;

/// Makes a batch of as many environments.
pub(super) type Maker<V> = Box<dyn Fn(usize) -> V + Send>;

/// Environments of one kind, each in a slot. Memory is reused from one to the next.
pub(super) struct Slots<V> {
    make: Maker<V>,
    pub(super) batch: V,
    free: Vec<usize>,
    /// The randomness of episodes that begin at given states.
    rng: Rng,
    actions: Actions,
    steps: Vec<Step>,
    pairs: Vec<(usize, usize)>,
}

impl<V: VecEnv> Slots<V> {
    /// Returns slots of the batches that `make` makes, of environments with one discrete action among `choices`.
    pub(super) fn new(choices: usize, make: Maker<V>) -> Self {
        Self {
            batch: make(SLOTS),
            free: (GIVEN + 1..SLOTS).rev().collect(),
            rng: stream(0, Purpose::Start, 0, 0),
            actions: Actions::new(&ActionSpace::discrete(choices)),
            steps: Vec::new(),
            pairs: Vec::new(),
            make,
        }
    }

    /// Takes a slot. An episode has to begin in it before the next one is taken.
    ///
    /// # Errors
    /// If the environment refuses one of its own states.
    #[inline]
    pub(super) fn take(&mut self) -> Result<usize> {
        loop {
            match self.free.pop() {
                Some(slot) => return Ok(slot),
                None => self.grow()?,
            }
        }
    }

    /// Gives slots back.
    #[inline]
    pub(super) fn give_back(&mut self, slots: impl IntoIterator<Item = usize>) {
        self.free.extend(slots);
    }

    /// Moves to a batch of twice as many slots, where each episode continues with the full budget.
    fn grow(&mut self) -> Result<()> {
        let count = self.batch.len();
        let mut taken = vec![true; count];
        taken[GIVEN] = false;
        self.free.iter().for_each(|&slot| taken[slot] = false);
        let mut grown = (self.make)(2 * count);
        let mut state = Vec::new();
        for slot in (0..count).filter(|&slot| taken[slot]) {
            state.clear();
            self.batch.state(slot, &mut state)?;
            let start = Start::State { state: &state, difficulty: None };
            grown.begin(slot, start, &mut self.rng.clone())?;
        }
        self.batch = grown;
        self.free.extend((count..2 * count).rev());
        Ok(())
    }

    /// Begins an episode at a state in the slot [`GIVEN`], with the full budget of the parameters.
    ///
    /// # Errors
    /// If the environment refuses the state.
    pub(super) fn begin_at(&mut self, state: &[f64]) -> Result<()> {
        let start = Start::State { state, difficulty: None };
        self.batch.begin(GIVEN, start, &mut self.rng.clone())
    }

    /// Takes a slot and copies another to it.
    ///
    /// # Errors
    /// If the environment cannot be copied.
    #[inline]
    pub(super) fn copy_of(&mut self, slot: usize) -> Result<usize> {
        let copy = self.take()?;
        self.batch.copy(&[(slot, copy)])?;
        Ok(copy)
    }

    /// Takes an action in a slot.
    ///
    /// # Errors
    /// If the environment fails.
    #[inline]
    pub(super) fn step(&mut self, slot: usize, action: u32) -> Result<Step> {
        self.actions.discrete.clear();
        self.actions.discrete.push(action);
        self.steps.clear();
        self.batch.step(&[slot], &self.actions, &mut self.steps)?;
        Ok(self.steps[0]) // one a slot
    }

    /// Takes a slot for each of `actions`, copies `slot` to it and takes the action there. Fills `children` with these slots,
    /// and `keys` with the keys of their states.
    ///
    /// # Errors
    /// If the environment cannot be copied, or fails.
    pub(super) fn branch(
        &mut self,
        slot: usize,
        actions: &[u32],
        children: &mut Vec<usize>,
        keys: &mut Vec<u64>,
    ) -> Result<()> {
        while self.free.len() < actions.len() {
            self.grow()?;
        }
        children.clear();
        children.extend(self.free.drain(self.free.len() - actions.len()..));
        self.pairs.clear();
        self.pairs.extend(children.iter().map(|&child| (slot, child)));
        self.batch.copy(&self.pairs)?;
        self.actions.discrete.clear();
        self.actions.discrete.extend_from_slice(actions);
        self.steps.clear();
        self.batch.step(children, &self.actions, &mut self.steps)?;
        keys.clear();
        self.batch.keys(children, keys)
    }
}
