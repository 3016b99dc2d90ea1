//! Solving by beam search.

use super::play::start_stream;
use super::{BeamScore, Solution, Solver};
use crate::Result;
use crate::env::Start;
use crate::parallel;
use crate::search::{ActionPath, Beam, BeamConfig, BeamRun, Threads};
use std::ops::RangeInclusive;

/// The growth of the width of a widening beam. All narrower beams together cost a third of the last.
const GROWTH: usize = 4;

impl Solver<'_> {
    /// Runs beams of all widths in the range, each [`GROWTH`] times as wide as the one before. If there are at least
    /// as many starts as threads, these are spread over the starts; otherwise each beam uses all threads. Solutions that are
    /// no better than `incumbents`, `[start]` or empty, are none.
    pub(super) fn beams(
        &self,
        (widths, score): (RangeInclusive<usize>, BeamScore),
        starts: &[Start<'_>],
        incumbents: &[ActionPath],
    ) -> Result<Vec<Solution>> {
        let widths = std::iter::successors(Some(*widths.start()), |width| {
            (width < widths.end()).then(|| width.saturating_mul(GROWTH).min(*widths.end()))
        });
        // Without end, a beam could go on for ever where no state comes again.
        let max_steps = Some(self.max_steps.unwrap_or(self.spec.episode_limits().search));
        let objective = self.objective;
        let configs: Vec<_> =
            widths.map(|width| BeamConfig { width, score, max_steps, objective }).collect();
        let many = starts.len() >= parallel::threads().max(2);
        let starts = (self.first..).zip(starts.iter().copied());
        if many {
            let solve = |beams: &mut Vec<Beam>, start: (usize, Start<'_>)| {
                self.widen(beams, &configs, start, (incumbents, Threads::One))
            };
            return parallel::try_map_init(starts, Vec::new, solve);
        }
        let mut beams = Vec::new();
        let threads = (incumbents, Threads::All);
        starts.map(|start| self.widen(&mut beams, &configs, start, threads)).collect()
    }

    /// Runs one beam after the other, each limited to solutions better than those found before. `beams` holds the
    /// memory of the first of them, and grows.
    fn widen(
        &self,
        beams: &mut Vec<Beam>,
        configs: &[BeamConfig],
        (index, start): (usize, Start<'_>),
        (incumbents, threads): (&[ActionPath], Threads),
    ) -> Result<Solution> {
        let limit = self.budget.begin(1);
        let incumbent = incumbents.get(index - self.first);
        let (mut found, mut nodes) = (incumbent.cloned().unwrap_or_default(), 0);
        for (level, config) in configs.iter().enumerate() {
            if level > 0 && (limit.expired() || nodes >= limit.nodes) {
                break;
            }
            if beams.len() == level {
                beams.push(Beam::new(self.spec, *config)?);
            }
            let run = BeamRun {
                evaluator: self.evaluator,
                limit: limit.after(nodes),
                incumbent: &found,
                threads,
            };
            // Every level before this one has added its beam.
            let (path, used) = beams[level].run(start, &mut start_stream(self.key, index), &run)?;
            nodes += used;
            found = path;
        }
        // A start that is solved has its empty solution.
        if incumbent == Some(&found) && !found.actions.is_empty() {
            found = ActionPath::default();
        }
        Ok(self.solution(found, nodes, limit.elapsed()))
    }
}
