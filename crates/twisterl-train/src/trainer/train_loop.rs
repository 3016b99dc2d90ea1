//! The loop of a run: evaluate, iterate, advance the curriculum, log, save.

use crate::Result;
use crate::algorithms::{Algorithm, Iteration};
use crate::record::metrics::{RunLog, names, numbers};
use crate::record::run_folder::LockedFolder;
use crate::trainer::evaluation::{EvaluationResult, Score};
use crate::trainer::iteration_metrics::{self, Counters, metrics};
use crate::trainer::progress::{Progress, Status};
use crate::trainer::{Options, Summary, Trainer};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use twisterl_core::error::interrupt::Hold;
use twisterl_core::rollout::Episode;

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// After its last iteration.
    Finished,
    /// After an iteration, because it was asked to stop.
    Stopped,
    /// In the middle of an iteration or of its last evaluation.
    Interrupted,
}

impl<A: Algorithm + ?Sized> Trainer<A> {
    /// Makes the iterations that are left.
    ///
    /// # Errors
    /// If training fails, or a file cannot be written.
    pub(super) fn run(
        &mut self,
        folder: &LockedFolder,
        mut log: RunLog,
        options: &Options,
    ) -> Result<Summary> {
        let mut progress = Progress::new(options.quiet, self.config.num_iterations, self.iteration);
        self.begun = Instant::now();
        self.clock.restart();
        self.warn(&progress, options);
        let end = match self.iterations(folder, &mut log, &mut progress, options) {
            Ok(end) => end,
            Err(error) if error.is_interrupted() => End::Interrupted,
            Err(error) => return Err(error),
        };
        // The run is ending: the rest does not take long, unless the disk is slow.
        let _hold = Hold::begin();
        // What an interrupted iteration has changed must not be saved.
        if end != End::Interrupted {
            self.save_last(folder, &log)?;
        }
        progress.finish();
        self.warn(&progress, options);
        let best = match folder.read_best() {
            Ok(checkpoint) => checkpoint.policy,
            Err(_) if self.best.is_none() => self.policy.to_policy(),
            Err(error) => return Err(error),
        };
        Ok(Summary {
            path: folder.path(),
            iterations: self.iteration,
            env_steps: self.env_steps,
            difficulty: self.curriculum.difficulty,
            elapsed: self.elapsed(),
            interrupted: end != End::Finished,
            best,
            best_score: self
                .best
                .zip(self.deciding_name())
                .map(|(best, name)| (best.score(self.measures_success), name.to_owned())),
            env: Arc::clone(&self.spec),
        })
    }

    /// Makes iterations until the run ends or is asked to stop, and the evaluations of its end.
    fn iterations(
        &mut self,
        folder: &LockedFolder,
        log: &mut RunLog,
        progress: &mut Progress,
        options: &Options,
    ) -> Result<End> {
        let mut stop = options.stop_requested();
        while self.unfinished() {
            if stop {
                return Ok(End::Stopped);
            }
            let observed = self.step(folder, log, progress, options)?;
            stop = !observed || options.stop_requested();
        }
        let start = Instant::now();
        let results = self.evaluate(true)?;
        self.note_success(&results, false);
        self.save_if_best(folder, log, &results)?;
        if self.config.shared.logging.log_freq > 0 && !results.is_empty() {
            let seconds = start.elapsed().as_secs_f64();
            let time = numbers([
                (names::EVALUATE, seconds),
                (names::TOTAL, seconds),
                (names::ELAPSED, self.elapsed()),
            ]);
            let (now, learning) = (self.now(), &self.config.shared.learning);
            let success = iteration_metrics::success(learning, &results, &[], now.difficulty);
            let counters = self.counters(&now, success);
            log.log_end(self.iteration, &metrics(&counters, &results, None, time))?;
        }
        Ok(End::Finished)
    }

    /// Returns the numbers of iteration `now` with the success that the curriculum uses.
    fn counters(&self, now: &Iteration, success: Option<f64>) -> Counters {
        Counters {
            iteration: now.number,
            env_steps: self.env_steps,
            difficulty: now.difficulty,
            success,
            measures_success: self.measures_success,
        }
    }

    /// Returns the figure for the display of an iteration, where it measured one.
    fn score(
        &self,
        success: Option<f64>,
        results: &[(String, EvaluationResult)],
        episodes: &[Episode],
    ) -> Option<Score> {
        if self.measures_success {
            return success.map(Score::Success);
        }
        if !self.config.shared.evals.is_empty() {
            return self.deciding(results).map(|result| Score::Return(result.reward));
        }
        let total: f64 = episodes.iter().map(|episode| f64::from(episode.total)).sum();
        (!episodes.is_empty()).then(|| Score::Return(total / episodes.len() as f64))
    }

    /// Gives the warnings that have come up.
    fn warn(&mut self, progress: &Progress, options: &Options) {
        for text in self.notices.take() {
            match &options.warner {
                Some(warner) => warner.call(&text),
                None => progress.warn(&text),
            }
        }
    }

    /// Makes one iteration, with its evaluations, metrics and checkpoints. Returns whether the observer wants more.
    fn step(
        &mut self,
        folder: &LockedFolder,
        log: &mut RunLog,
        progress: &mut Progress,
        options: &Options,
    ) -> Result<bool> {
        let start = Instant::now();
        let now = self.now();
        let Iteration { number, .. } = now;
        let results = self.evaluate(false).map_err(|error| error.in_iteration(number))?;
        let evaluated = start.elapsed().as_secs_f64();
        self.warn(progress, options);
        self.save_if_best(folder, log, &results)?;
        let output = self.iterate(&now);
        let output = output.map_err(|error| error.in_iteration(number))?;
        let success = self.advance(&now, &results, &output);
        self.warn(progress, options);
        let seconds = start.elapsed().as_secs_f64();
        let rate = output.env_steps as f64 / seconds;
        progress.update(&Status {
            iteration: self.iteration,
            difficulty: self.spec.starts().curriculum.then_some(self.curriculum.difficulty),
            score: self.score(success, &results, &output.episodes),
            steps_per_second: rate,
            workers: self.workers.as_ref().map(|workers| workers.engine.status()),
        });
        let log_freq = self.config.shared.logging.log_freq;
        let logged = log_freq > 0 && number.is_multiple_of(log_freq);
        let mut go_on = true;
        if logged || options.observer.is_some() {
            let mut time = output.seconds.clone();
            time.insert(names::EVALUATE.into(), json!(evaluated));
            time.insert(names::TOTAL.into(), json!(seconds));
            time.insert(names::STEPS_PER_SECOND.into(), json!(rate));
            time.insert(names::ELAPSED.into(), json!(self.elapsed()));
            let metrics = metrics(&self.counters(&now, success), &results, Some(&output), time);
            if logged {
                log.log(number, &metrics)?;
            }
            if let Some(observer) = &options.observer {
                go_on = observer.call(&metrics);
            }
        }
        if self.clock.is_due(&self.config.shared.logging, self.iteration, seconds) {
            self.save_last(folder, log)?;
        }
        Ok(go_on)
    }
}
