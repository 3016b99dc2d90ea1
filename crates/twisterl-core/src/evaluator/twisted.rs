//! Evaluation of the images of states under twists.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// Evaluates images of each state under twists, and returns the results in the frame of the state.
///
/// For sparse observations and one discrete action, evaluators without twists of their own, and twists that fit the
/// spaces.
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
                out.images.clear();
                for row in 0..observations.len() {
                    // An index that is out of range stays so, and the evaluator reports it.
                    let bit = |one: &u32| *twist.observation.get(*one as usize).unwrap_or(one);
                    out.images.push_with(|image| {
                        image.ones(observations.ones(row).iter().map(|one| bit(one) as usize));
                    });
                }
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
    use crate::env::Environment as _;
    use crate::envs::puzzle::Puzzle;
    use crate::evaluator::Mock;
    use crate::rng::{Purpose, stream};

    fn evaluate(evaluator: &dyn Evaluator, puzzle: &Puzzle) -> (Vec<f32>, f32) {
        let (mut row, mut out) = (Observations::new(), Evaluation::default());
        row.push_with(|row| puzzle.observe(row));
        evaluator.evaluate(&row, &mut out).unwrap();
        (out.actions.clone(), out.values[0])
    }

    #[test]
    fn images_and_means_are_in_the_frame_of_the_state() {
        let mut puzzle = Puzzle::new(&Default::default()).unwrap();
        let twists = puzzle.twists();
        // Logits and a value that depend on every bit. Bits are sorted, so that their order does not matter.
        let mock = Mock::new(4, |ones: &[u32], _: &[f32], logits: &mut [f32]| {
            let mut ones = ones.to_vec();
            ones.sort_unstable();
            for (i, &one) in ones.iter().enumerate() {
                logits[i % 4] += (one as f32 * 0.37).sin();
            }
            ones.iter().map(|&one| (one as f32).cos()).sum()
        });
        for index in 0..50 {
            puzzle.reset_uniform(&mut stream(0, Purpose::Start, 0, index));
            let mut image = puzzle.clone();
            image.set_state(&puzzle.twisted_state(0).unwrap()).unwrap();
            let ((here, v), (there, w)) = (evaluate(&mock, &puzzle), evaluate(&mock, &image));
            let (twisted, x) = evaluate(&Twisted::image(&mock, &twists[0]), &puzzle);
            let (mean, y) = evaluate(&Twisted::average(&mock, &twists), &puzzle);
            assert_eq!((x, y), (w, 0.5 * v + 0.5 * w));
            for a in 0..4 {
                let b = twists[0].action[a] as usize;
                assert_eq!((twisted[a], mean[a]), (there[b], 0.5 * here[a] + 0.5 * there[b]));
            }
        }
    }
}
