//! Evaluation of the images of states under twists.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// Evaluates images of each state under twists, and returns the results in the frame of the state.
///
/// For one discrete action, evaluators without twists of their own, and twists that fit the spaces. Of an observation of
/// bits and values, twists permute both in one list, the bits first.
pub struct Twisted<'a> {
    evaluator: &'a dyn Evaluator,
    twists: &'a [Twist],
    /// True if the state itself is one of the images.
    identity: bool,
}

impl<'a> Twisted<'a> {
    /// Returns an evaluator of the images under `twist` alone. A search with it is the search of the image with `evaluator`.
    pub fn image(evaluator: &'a dyn Evaluator, twist: &'a Twist) -> Self {
        Self { evaluator, twists: std::slice::from_ref(twist), identity: false }
    }

    /// Returns the mean over each state and its images under `twists`, of the action parameters (which gives the normalised
    /// geometric mean of the distributions) and of the values. It is symmetric by construction, and costs as many
    /// evaluations as there are images.
    pub fn average(evaluator: &'a dyn Evaluator, twists: &'a [Twist]) -> Self {
        Self { evaluator, twists, identity: true }
    }

    /// Adds `share` times the evaluation of the images of `observations` under `twist` (`None` for the identity) to `out`.
    fn add_image(
        &self,
        twist: Option<&Twist>,
        observations: &Observations,
        share: f32,
        out: &mut Evaluation,
    ) -> Result<()> {
        let mut inner = out.inner.take().unwrap_or_default();
        match twist {
            None => self.evaluator.evaluate(observations, &mut inner)?,
            Some(twist) => {
                push_images(twist, observations, &mut out.images);
                self.evaluator.evaluate(&out.images, &mut inner)?;
            }
        }
        let width = self.action_width();
        let rows = out.actions.chunks_exact_mut(width).zip(inner.actions.chunks_exact(width));
        for (to, from) in rows {
            for (action, to) in to.iter_mut().enumerate() {
                let image = twist.map_or(action, |twist| twist.action[action] as usize);
                *to += share * from[image];
            }
        }
        for (to, from) in out.values.iter_mut().zip(&inner.values) {
            *to += share * from;
        }
        out.inner = Some(inner);
        Ok(())
    }
}

/// Fills `images` with the image of each row. An index that is out of range stays so, and the evaluator reports it.
fn push_images(twist: &Twist, observations: &Observations, images: &mut Observations) {
    images.clear();
    let mut values = Vec::new();
    for row in 0..observations.len() {
        let bit = |one: &u32| *twist.observation.get(*one as usize).unwrap_or(one);
        let given = observations.values(row);
        values.clear();
        values.extend_from_slice(given);
        for (i, &value) in given.iter().enumerate() {
            if let Some(image) = twist.value_image(i, given.len()) {
                values[image] = value;
            }
        }
        images.push_with(|image| {
            image.ones(observations.ones(row).iter().map(|one| bit(one) as usize));
            image.values(&values);
        });
    }
}

impl Evaluator for Twisted<'_> {
    fn distribution(&self) -> &ActionDistribution {
        self.evaluator.distribution()
    }

    fn backtracking(&self) -> bool {
        self.evaluator.backtracking()
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        out.actions.clear();
        out.actions.resize(observations.len() * self.action_width(), 0.0);
        out.values.clear();
        out.values.resize(observations.len(), 0.0);
        let share = 1.0 / (usize::from(self.identity) + self.twists.len()) as f32;
        if self.identity {
            self.add_image(None, observations, share, out)?;
        }
        self.twists
            .iter()
            .try_for_each(|twist| self.add_image(Some(twist), observations, share, out))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::env::Environment;
    use crate::envs::lights_out::LightsOut;
    use crate::envs::puzzle::Puzzle;
    use crate::evaluator::Mock;
    use crate::rng::{Purpose, stream};

    fn evaluate(evaluator: &dyn Evaluator, env: &impl Environment) -> (Vec<f32>, f32) {
        let (mut row, mut out) = (Observations::new(), Evaluation::default());
        row.push_with(|row| env.observe(row));
        evaluator.evaluate(&row, &mut out).unwrap();
        (out.actions.clone(), out.values[0])
    }

    /// Returns an evaluator whose logits and value depend on every bit and every value.
    fn mock(actions: usize) -> impl Evaluator {
        Mock::new(actions, move |ones: &[u32], values: &[f32], logits: &mut [f32]| {
            // Bits are sorted, so that their order does not matter.
            let mut ones = ones.to_vec();
            ones.sort_unstable();
            let bits = ones.iter().map(|&one| one as f32);
            let seen: Vec<f32> =
                bits.chain(values.iter().enumerate().map(|(i, v)| (1.0 + i as f32) * v)).collect();
            for (i, seen) in seen.iter().enumerate() {
                logits[i % actions] += (seen * 0.37).sin();
            }
            seen.iter().map(|seen| seen.cos()).sum()
        })
    }

    /// Compares images and means with evaluations of the twisted states themselves.
    fn images_and_means_are_in_the_frame_of_the_state<E: Environment>(mut env: E) {
        let twists = env.twists();
        assert!(!twists.is_empty());
        let actions = env.action_space().mask_width();
        let mock = mock(actions);
        for index in 0..50 {
            env.reset_uniform(&mut stream(0, Purpose::Start, 0, index));
            let here = evaluate(&mock, &env);
            let share = 1.0 / (1 + twists.len()) as f32;
            let (mut sums, mut total): (Vec<f32>, f32) =
                (here.0.iter().map(|logit| share * logit).collect(), share * here.1);
            for (index, twist) in twists.iter().enumerate() {
                let mut image = env.clone();
                image.set_state(&env.twisted_state(index).unwrap()).unwrap();
                let (there, value) = evaluate(&mock, &image);
                let back: Vec<f32> = twist.action.iter().map(|&to| there[to as usize]).collect();
                let twisted = evaluate(&Twisted::image(&mock, twist), &env);
                assert_eq!(twisted, (back.clone(), value));
                sums.iter_mut().zip(back).for_each(|(sum, logit)| *sum += share * logit);
                total += share * value;
            }
            assert_eq!(evaluate(&Twisted::average(&mock, &twists), &env), (sums, total));
        }
    }

    #[test]
    fn images_of_bits_and_of_values_are_in_the_frame_of_the_state() {
        for goal in ["blank_first", "blank_last"] {
            let params = serde_json::json!({"goal": goal});
            let puzzle = Puzzle::new(&serde_json::from_value(params).unwrap()).unwrap();
            images_and_means_are_in_the_frame_of_the_state(puzzle);
        }
        for params in [r#"{"height": 3, "width": 3}"#, r#"{"height": 2, "width": 4}"#] {
            let params = serde_json::from_str(params).unwrap();
            images_and_means_are_in_the_frame_of_the_state(LightsOut::new(&params).unwrap());
        }
    }
}
