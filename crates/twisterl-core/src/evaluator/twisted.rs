//! Evaluators that look at a problem's images under its twists.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// Sees of each state its image under one twist, and takes what it is told back into the state's own frame. To search
/// with it is to search the image of the problem with the evaluator itself.
///
/// For sparse observations and one discrete action, and evaluators without twists of their own.
pub struct Twisted<'a> {
    evaluator: &'a dyn Evaluator,
    twist: &'a Twist,
}

impl<'a> Twisted<'a> {
    /// `evaluator`, which is to see images under `twist`.
    pub fn new(evaluator: &'a dyn Evaluator, twist: &'a Twist) -> Self {
        Self { evaluator, twist }
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
        add_image(self.evaluator, Some(self.twist), observations, 1.0, out)
    }
}

/// The mean over a state and all its images, of the action parameters (which is the normalised geometric mean of the
/// distributions) and of the values. It is symmetric by construction, for as many evaluations as there are images.
///
/// For sparse observations and one discrete action, and evaluators without twists of their own.
pub struct Averaged<'a> {
    evaluator: &'a dyn Evaluator,
    twists: &'a [Twist],
}

impl<'a> Averaged<'a> {
    /// The mean of `evaluator` over the identity and `twists`.
    pub fn new(evaluator: &'a dyn Evaluator, twists: &'a [Twist]) -> Self {
        Self { evaluator, twists }
    }
}

impl Evaluator for Averaged<'_> {
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
        let share = 1.0 / (1 + self.twists.len()) as f32;
        add_image(self.evaluator, None, observations, share, out)?;
        self.twists
            .iter()
            .try_for_each(|twist| add_image(self.evaluator, Some(twist), observations, share, out))
    }
}

/// Adds to `out` what `evaluator` says of the images of `observations` under `twist` (`None`: of themselves), times
/// `share`, in the frame of `observations`.
fn add_image(
    evaluator: &dyn Evaluator,
    twist: Option<&Twist>,
    observations: &Observations,
    share: f32,
    out: &mut Evaluation,
) -> Result<()> {
    let mut inner = out.inner.take().unwrap_or_default();
    match twist {
        None => evaluator.evaluate(observations, &mut inner)?,
        Some(twist) => {
            out.images.clear();
            for row in 0..observations.len() {
                out.images.push_with(|image| {
                    let bit = |one: &u32| *twist.observation.get(*one as usize).unwrap_or(one);
                    image.ones(observations.ones(row).iter().map(|one| bit(one) as usize));
                });
            }
            evaluator.evaluate(&out.images, &mut inner)?;
        }
    }
    let width = evaluator.action_width().max(1);
    let rows = out.actions.chunks_exact_mut(width).zip(inner.actions.chunks_exact(width));
    for (to, from) in rows {
        for (action, to) in to.iter_mut().enumerate() {
            let image =
                twist.and_then(|twist| twist.action.get(action)).map_or(action, |&a| a as usize);
            *to += share * from.get(image).copied().unwrap_or(0.0);
        }
    }
    for (to, from) in out.values.iter_mut().zip(&inner.values) {
        *to += share * from;
    }
    out.inner = Some(inner);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::env::Environment as _;
    use crate::envs::puzzle::Puzzle;
    use crate::evaluator::Mock;
    use crate::rng::{Purpose, stream};

    /// Logits and a value that depend on every bit and on which action it is.
    fn judge(ones: &[u32], _: &[f32], logits: &mut [f32]) -> f32 {
        for (i, &one) in ones.iter().enumerate() {
            logits[i % 4] += (one as f32 * 0.37).sin();
        }
        ones.iter().map(|&one| (one as f32).cos()).sum()
    }

    fn see(evaluator: &dyn Evaluator, puzzle: &Puzzle) -> (Vec<f32>, f32) {
        let (mut row, mut out) = (Observations::new(), Evaluation::default());
        row.push_with(|row| puzzle.observe(row));
        evaluator.evaluate(&row, &mut out).unwrap();
        (out.actions.clone(), out.values[0])
    }

    #[test]
    fn twisted_is_the_image_and_averaged_the_mean_in_the_frame_of_the_state() {
        let mut puzzle = Puzzle::new(&Default::default()).unwrap();
        let twists = puzzle.twists();
        // A function of the state alone: bits are sorted, so that their order says nothing.
        let mock = Mock::new(4, |ones: &[u32], dense: &[f32], logits: &mut [f32]| {
            let mut ones = ones.to_vec();
            ones.sort_unstable();
            judge(&ones, dense, logits)
        });
        for index in 0..50 {
            puzzle.reset_uniform(&mut stream(0, Purpose::Start, 0, index));
            let mut image = puzzle.clone();
            image.set_state(&puzzle.twisted_state(0).unwrap()).unwrap();
            let ((here, v), (there, w)) = (see(&mock, &puzzle), see(&mock, &image));
            let (twisted, x) = see(&Twisted::new(&mock, &twists[0]), &puzzle);
            let (mean, y) = see(&Averaged::new(&mock, &twists), &puzzle);
            assert_eq!((x, y), (w, 0.5 * v + 0.5 * w));
            for a in 0..4 {
                let b = twists[0].action[a] as usize;
                assert_eq!((twisted[a], mean[a]), (there[b], 0.5 * here[a] + 0.5 * there[b]));
            }
        }
    }
}
