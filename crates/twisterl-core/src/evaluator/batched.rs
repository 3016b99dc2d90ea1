//! The evaluation of a batch of states by a policy: observe, bring into canonical form, evaluate.

use crate::env::batch::VecEnv;
use crate::env::key_of_words;
use crate::evaluator::distribution::masked_log_softmax;
use crate::evaluator::frames::Frames;
use crate::evaluator::{Evaluation, Evaluator};
use crate::space::{ActionSpace, Actions, Observations};
use crate::{Error, Result};

/// Returns the number of actions of a space that can be searched.
///
/// # Errors
/// If the space is not a single discrete component.
pub fn action_count(space: &ActionSpace) -> Result<usize> {
    space.single_discrete().ok_or_else(|| {
        Error::config(
            "action_space",
            "one discrete component, which mcts, gumbel and beam search need",
            format!("{:?}", space.components()),
        )
    })
}

/// One batch of evaluated states, whose memory is reused from call to call. Row `i` is the `i`-th observed slot.
///
/// A canonical policy ([`Symmetry::Canonical`](crate::space::symmetry::Symmetry::Canonical)) sees an image of each state:
/// after [`evaluate`](Self::evaluate) all arrays are in the frame of that image.
#[derive(Debug, Clone)]
pub struct BatchedEvaluation {
    /// The observations, one row a state.
    pub observations: Observations,
    /// The allowed choices, `[batch, mask width]`.
    pub masks: Vec<bool>,
    mask_width: usize,
    space: ActionSpace,
    sample_widths: (usize, usize),
    evaluation: Evaluation,
    frames: Frames,
    image: Vec<f32>,
}

impl BatchedEvaluation {
    /// Returns an empty batch for environments with actions of `space`.
    pub fn new(space: &ActionSpace) -> Self {
        Self {
            observations: Observations::new(),
            masks: Vec::new(),
            mask_width: space.mask_width(),
            space: space.clone(),
            sample_widths: (space.discrete_width(), space.continuous_width()),
            evaluation: Evaluation::default(),
            frames: Frames::default(),
            image: Vec::new(),
        }
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.masks.clear();
    }

    /// Replaces the rows by observations of `slots` of `env`.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn observe(&mut self, env: &mut dyn VecEnv, slots: &[usize]) -> Result<()> {
        self.clear();
        env.observe(slots, &mut self.observations, &mut self.masks)
    }

    /// Checks that the masks of the rows just observed leave a choice, for those of which `acts` says by their index that
    /// an action will be taken. Masks of states that are solved need not.
    ///
    /// # Errors
    /// If the environment forbids everything in a state that is not the last of its episode.
    pub fn check_choices(
        &self,
        env: &dyn VecEnv,
        slots: &[usize],
        acts: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let masks = self.masks.chunks(self.mask_width.max(1));
        for (row, (mask, &slot)) in masks.zip(slots).enumerate() {
            if !self.space.leaves_a_choice(mask) && acts(row) && !env.solved(slot) {
                let rule = "a state that is not the last of its episode allows at least one choice of each component";
                return Err(Error::contract(env.name(), rule, "a mask that allows none"));
            }
        }
        Ok(())
    }

    /// Returns a key of the observation and the mask of row `row`, before [`evaluate`](Self::evaluate): equal rows have equal
    /// keys.
    pub fn key(&self, row: usize) -> u64 {
        let ones = self.observations.ones(row).iter().map(|&one| u64::from(one));
        let values = self.observations.values(row).iter().map(|value| u64::from(value.to_bits()));
        let mask = &self.masks[row * self.mask_width..(row + 1) * self.mask_width];
        key_of_words(ones.chain(values).chain(mask.iter().map(|&allowed| u64::from(allowed))))
    }

    /// Brings the rows into canonical form, where the policy asks for it, and evaluates them.
    ///
    /// # Errors
    /// If the rows do not fit the evaluator, or the evaluator returns another number of rows.
    pub fn evaluate(&mut self, evaluator: &dyn Evaluator) -> Result<()> {
        let distribution = evaluator.distribution();
        let found = (distribution.mask_width(), distribution.sample_widths());
        let expected = (self.mask_width, self.sample_widths);
        if found != expected {
            let text = |(choices, (discrete, continuous))| {
                format!(
                    "{discrete} discrete ({choices} choices) and {continuous} continuous values"
                )
            };
            return Err(Error::config(
                "policy",
                format!("actions of {}", text(expected)),
                text(found),
            ));
        }
        let rows = self.observations.len();
        if self.masks.len() != rows * self.mask_width {
            let expected = format!("masks of {} choices for {rows} rows", self.mask_width);
            return Err(Error::observation(expected, format!("{} choices", self.masks.len())));
        }
        self.frames.apply(evaluator.twists(), &mut self.observations, &mut self.masks);
        evaluator.evaluate(&self.observations, &mut self.evaluation)?;
        let found = (self.evaluation.actions.len(), self.evaluation.values.len());
        if found != (rows * distribution.width(), rows) {
            let what = format!("an evaluator of {rows} rows returned {found:?} parameters, values");
            return Err(Error::internal(what));
        }
        Ok(())
    }

    /// Evaluates the rows as [`evaluate`](Self::evaluate) does, and replaces the logits by log-probabilities in the frame
    /// of the environment. For spaces with one discrete component.
    ///
    /// # Errors
    /// If the rows do not fit the evaluator.
    pub fn evaluate_log_probs(&mut self, evaluator: &dyn Evaluator) -> Result<()> {
        let (twists, width) = (evaluator.twists(), self.mask_width);
        if evaluator.action_width() != width {
            let found = evaluator.action_width();
            return Err(Error::config("policy", format!("{width} action outputs"), found));
        }
        self.evaluate(evaluator)?;
        let logits = self.evaluation.actions.chunks_exact_mut(width);
        for (row, (logits, mask)) in logits.zip(self.masks.chunks_exact_mut(width)).enumerate() {
            if let Some(twist) = self.frames.of(twists, row) {
                self.frames.mask_back(twist, mask);
                self.image.clear();
                self.image.extend_from_slice(logits);
                for (logit, &to) in logits.iter_mut().zip(&twist.action) {
                    *logit = self.image[to as usize]; // a permutation of the actions
                }
            }
            masked_log_softmax(logits, mask);
        }
        Ok(())
    }

    /// The action parameters, `[batch, parameters]`; after [`evaluate_log_probs`](Self::evaluate_log_probs)
    /// log-probabilities.
    pub fn parameters(&self) -> &[f32] {
        &self.evaluation.actions
    }

    /// The values, `[batch]`.
    pub fn values(&self) -> &[f32] {
        &self.evaluation.values
    }

    /// The log-probabilities of the actions of row `row`, negative infinity where they are masked, `[actions]`.
    pub fn log_probs(&self, row: usize) -> &[f32] {
        &self.evaluation.actions[row * self.mask_width..(row + 1) * self.mask_width]
    }

    /// The value of row `row`.
    pub fn value(&self, row: usize) -> f32 {
        self.evaluation.values[row]
    }

    /// Returns the parameters of row `row`, which choosing may overwrite, and its mask.
    pub(super) fn row_mut(&mut self, row: usize, width: usize) -> (&mut [f32], &[bool]) {
        let mask = row * self.mask_width..(row + 1) * self.mask_width;
        (&mut self.evaluation.actions[row * width..(row + 1) * width], &self.masks[mask])
    }

    /// Brings `actions`, one a row, from the frame in which the policy saw the rows into that of the environment.
    pub(super) fn to_environment(&self, evaluator: &dyn Evaluator, actions: &mut Actions) {
        let twists = evaluator.twists();
        if !twists.is_empty() {
            for (row, choice) in actions.discrete.iter_mut().enumerate() {
                *choice = self.frames.original(twists, row, *choice);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::{Environment as _, Start};
    use crate::envs::puzzle::Puzzle;
    use crate::envs::registry::Registry;
    use crate::evaluator::decision::Decision;
    use crate::evaluator::distribution::Choice;
    use crate::policy::executor::Executor;
    use crate::policy::test_policy::random_policy;
    use crate::rng::{Purpose, stream};
    use crate::space::symmetry::Symmetry;
    use serde_json::json;

    #[test]
    fn a_canonical_policy_treats_a_state_and_its_image_alike() {
        let params = json!({"width": 3, "height": 3, "difficulty": 50});
        let spec = Registry::default().make("Puzzle", &params).unwrap();
        let mut policy = random_policy(&*spec);
        policy.symmetry = Symmetry::Canonical;
        let executor = Executor::of(&policy).unwrap();
        let mut puzzle = Puzzle::new(&serde_json::from_value(params).unwrap()).unwrap();
        let mut env = spec.batch(2);
        let mut decision = Decision::new(&spec.action_space());
        let mut searched = BatchedEvaluation::new(&spec.action_space());
        let twist = &policy.twists[0];
        let mut turned = 0;
        for index in 0..200 {
            let mut rng = stream(0, Purpose::Start, 0, index);
            puzzle.reset(&mut rng);
            let (mut state, image) = (Vec::new(), puzzle.twisted_state(0).unwrap());
            puzzle.state(&mut state);
            for (slot, state) in [&state, &image].into_iter().enumerate() {
                env.begin(slot, Start::State { state, difficulty: None }, &mut rng).unwrap();
            }
            decision.decide(&mut *env, &[0, 1], &executor, Choice::Greedy, &mut rng).unwrap();
            let evaluated = &decision.evaluated;
            assert_eq!(evaluated.observations.ones(0), evaluated.observations.ones(1));
            assert_eq!(evaluated.masks[..4], evaluated.masks[4..]);
            assert_eq!(evaluated.value(0), evaluated.value(1));
            searched.observe(&mut *env, &[0, 1]).unwrap();
            let masks = searched.masks.clone();
            searched.evaluate_log_probs(&executor).unwrap();
            assert_eq!((&searched.masks, searched.value(0)), (&masks, evaluated.value(0)));
            let allowed = searched.log_probs(0).iter().map(|&log| log > f32::NEG_INFINITY);
            assert!(allowed.eq(masks[..4].iter().copied()));
            if state == image {
                continue; // a state that is its own image has one frame
            }
            turned += 1;
            let moves = &decision.actions.discrete;
            assert_eq!(twist.action[moves[0] as usize], moves[1]);
            for (&here, &image) in searched.log_probs(0).iter().zip(&twist.action) {
                let there = searched.log_probs(1)[image as usize];
                // Sums over the actions are made in another order.
                assert!(here == there || (here - there).abs() < 1e-6, "{here} {there}");
            }
        }
        assert!(turned > 150, "{turned}");
    }
}
