//! Which part is asked of workers when, again after a failure, and twice where one is late.

#[cfg(test)]
mod tests;

use crate::algorithms::spread::Engine;
use crate::{Error, Result};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use twisterl_core::error::counts::counted;
use twisterl_core::error::interrupt::Interrupt;

/// A part that fails as often is an error.
const TRIES: usize = 3;
/// Parts under way for each that can be answered at the same time: the next one waits where it is answered.
const DEPTH: usize = 2;
/// A part is late after this many times the median of the last ones, and not before some time; where no part was answered
/// yet, after a longer time.
const LATE: u32 = 3;
const LATE_AT_LEAST: Duration = Duration::from_millis(500);
const FIRST: Duration = Duration::from_secs(5);
/// Times of answers that the median is taken of.
const KEPT: usize = 100;
/// The time without an answer after which a warning says so.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest time between two looks for an interruption.
const LOOK: Duration = Duration::from_millis(50);

/// The answer of a worker, or its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The bytes of the answer.
    Answer(Vec<u8>),
    /// The worker ended before it had answered: another one may succeed.
    Lost(String),
    /// The part could not be answered.
    Failed(String),
}

/// Workers that answer parts: processes, or machines.
pub trait Workers: Send {
    /// Stands for bytes that workers have.
    type Data: Clone + Send;

    /// Makes bytes available to workers.
    ///
    /// # Errors
    /// If that is not possible.
    fn put(&mut self, data: &[u8]) -> Result<Self::Data>;

    /// Begins to have a part answered, as the task with this number.
    ///
    /// # Errors
    /// If nobody can be asked.
    fn submit(
        &mut self,
        task: u64,
        config: &Self::Data,
        question: &Self::Data,
        part: usize,
    ) -> Result<()>;

    /// Waits until a task has ended, but at most for some time. Returns those that have ended.
    ///
    /// # Errors
    /// If workers cannot be waited for.
    fn wait(&mut self, time: Duration) -> Result<Vec<(u64, Outcome)>>;

    /// Returns how many parts can be answered at the same time now.
    ///
    /// # Errors
    /// If that cannot be known.
    fn width(&mut self) -> Result<usize>;

    /// Takes back a task if it was not begun. Returns true if it was taken back, and [`wait`](Self::wait) will not tell of it.
    ///
    /// # Errors
    /// If workers cannot be reached.
    fn withdraw(&mut self, task: u64) -> Result<bool>;

    /// Gives up a task whose answer is not needed any more.
    ///
    /// # Errors
    /// If workers cannot be reached.
    fn cancel(&mut self, task: u64) -> Result<()>;

    /// Tells the user something while the run goes on.
    ///
    /// # Errors
    /// If the user wants it to be an error.
    fn warn(&mut self, text: &str) -> Result<()>;
}

/// Has the parts of one question after the other answered by workers.
pub struct Scheduler<W: Workers>(Mutex<State<W>>);

impl<W: Workers> fmt::Debug for Scheduler<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheduler")
    }
}

impl<W: Workers> Scheduler<W> {
    /// Returns the scheduler over `workers`.
    pub fn new(workers: W) -> Self {
        Self(Mutex::new(State {
            workers,
            config: None,
            question: 0,
            task: 0,
            tasks: BTreeMap::new(),
            digests: HashMap::new(),
            times: VecDeque::new(),
            answered: 0,
            waited: Duration::ZERO,
        }))
    }
}

impl<W: Workers> Engine for Scheduler<W> {
    fn ask(
        &self,
        config: &str,
        question: &[u8],
        parts: usize,
        interrupt: &Interrupt,
    ) -> Result<Vec<Vec<u8>>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked = state.begin(config, question, parts)?;
        let (mut answers, mut left) = (vec![None; parts], parts);
        while left > 0 {
            if interrupt.is_set() {
                state.give_up();
                return Err(twisterl_core::Error::Interrupted.into());
            }
            for (part, answer) in state.poll(&mut asked)? {
                if let Some(place) = answers.get_mut(part) {
                    *place = Some(answer);
                    left -= 1;
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    fn status(&self) -> String {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = std::mem::take(&mut state.waited).as_secs_f64();
        let parts = counted(std::mem::take(&mut state.answered), "part");
        // Nothing that a run depends on.
        let width = state.workers.width().unwrap_or(0);
        format!("{}, {parts}, waited {waited:.1} s", counted(width as u64, "worker"))
    }
}

struct State<W: Workers> {
    workers: W,
    /// The config that workers have.
    config: Option<(String, W::Data)>,
    /// The number of the last question.
    question: u64,
    /// The number of the last task.
    task: u64,
    /// The tasks under way.
    tasks: BTreeMap<u64, Task>,
    /// Digests of answers by question and part: of the last question, and of late answers to earlier ones.
    digests: HashMap<(u64, usize), [u8; 32]>,
    /// The times that the last answers took.
    times: VecDeque<Duration>,
    /// Since the last status: answers, and the time that was waited for them.
    answered: u64,
    waited: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Task {
    question: u64,
    part: usize,
    begun: Instant,
}

/// A question under way.
struct Asked<D> {
    config: D,
    question: D,
    /// Parts that nobody was asked for yet.
    left: VecDeque<usize>,
    failures: HashMap<usize, usize>,
    /// When a worker was last heard of.
    heard: Instant,
    warned: bool,
}

impl<W: Workers> State<W> {
    fn begin(&mut self, config: &str, question: &[u8], parts: usize) -> Result<Asked<W::Data>> {
        let config = match &self.config {
            Some((known, data)) if known == config => data.clone(),
            _ => {
                let data = self.workers.put(config.as_bytes())?;
                self.config = Some((config.to_owned(), data.clone()));
                data
            }
        };
        let question = self.workers.put(question)?;
        // An answer that comes after the next question is compared as well.
        let late: BTreeSet<(u64, usize)> =
            self.tasks.values().map(|task| (task.question, task.part)).collect();
        self.digests.retain(|key, _| late.contains(key));
        self.question += 1;
        let (left, failures) = ((0..parts).collect(), HashMap::new());
        Ok(Asked { config, question, left, failures, heard: Instant::now(), warned: false })
    }

    /// Returns the answers that have arrived, with the numbers of their parts; waits for one for some time.
    fn poll(&mut self, asked: &mut Asked<W::Data>) -> Result<Vec<(usize, Vec<u8>)>> {
        self.submit(asked)?;
        let begun = Instant::now();
        let ended = self.workers.wait(LOOK)?;
        self.waited += begun.elapsed();
        let mut arrived = Vec::new();
        for (number, outcome) in ended {
            let Some(task) = self.tasks.remove(&number) else { continue };
            if task.question == self.question {
                asked.heard = Instant::now();
            }
            let (lost, text) = match outcome {
                Outcome::Answer(answer) => {
                    if self.is_first(task, &answer)? {
                        self.add_time(task.begun.elapsed());
                        self.withdraw_others(task.part)?;
                        self.answered += 1;
                        arrived.push((task.part, answer));
                    }
                    continue;
                }
                Outcome::Lost(text) => (true, text),
                Outcome::Failed(text) => (false, text),
            };
            self.failed(asked, task, lost, &text)?;
        }
        self.look_for_silence(asked)?;
        Ok(arrived)
    }

    fn submit(&mut self, asked: &mut Asked<W::Data>) -> Result<()> {
        let width = self.workers.width()?;
        let of_question = self.tasks.values().filter(|task| task.question == self.question);
        let mut under_way: Vec<Task> = of_question.copied().collect();
        while under_way.len() < DEPTH * width.max(1) {
            let Some(part) = asked.left.pop_front() else { break };
            under_way.push(self.start(asked, part)?);
        }
        if !asked.left.is_empty() {
            return Ok(());
        }
        let late = self.median().map_or(FIRST, |median| LATE * median).max(LATE_AT_LEAST);
        let open: BTreeSet<usize> = under_way.iter().map(|task| task.part).collect();
        for part in open {
            if under_way.len() >= width {
                break;
            }
            if self.digests.contains_key(&(self.question, part)) {
                continue;
            }
            // Once more, by whoever has nothing else to do; ever more seldom.
            let copies: Vec<Instant> =
                under_way.iter().filter(|task| task.part == part).map(|task| task.begun).collect();
            let patience = late * 2u32.saturating_pow(copies.len() as u32 - 1);
            if copies.iter().max().is_some_and(|last| last.elapsed() > patience) {
                under_way.push(self.start(asked, part)?);
            }
        }
        Ok(())
    }

    fn start(&mut self, asked: &Asked<W::Data>, part: usize) -> Result<Task> {
        self.task += 1;
        self.workers.submit(self.task, &asked.config, &asked.question, part)?;
        let task = Task { question: self.question, part, begun: Instant::now() };
        self.tasks.insert(self.task, task);
        Ok(task)
    }

    fn failed(&self, asked: &mut Asked<W::Data>, task: Task, lost: bool, text: &str) -> Result<()> {
        let part = task.part;
        if task.question != self.question || self.digests.contains_key(&(self.question, part)) {
            return Ok(());
        }
        let failures = asked.failures.entry(part).or_default();
        *failures += 1;
        if *failures >= TRIES {
            let what = if lost { "was lost" } else { "failed" };
            let problem = format!(" {what} {failures} times, the last time: {text}");
            return Err(Error::Worker { part, problem });
        }
        asked.left.push_front(part);
        Ok(())
    }

    /// Returns whether this is the first answer to a part, which a second one must equal.
    fn is_first(&mut self, task: Task, answer: &[u8]) -> Result<bool> {
        let digest: [u8; 32] = Sha256::digest(answer).into();
        let known = self.digests.get(&(task.question, task.part));
        if known.is_some_and(|known| *known != digest) {
            let problem = ": expected equal answers of all workers, found two that differ; all must run the same \
                           version, and the environment must draw its randomness from the seed of reset() alone";
            return Err(Error::Worker { part: task.part, problem: problem.into() });
        }
        let is_first = known.is_none() && task.question == self.question;
        if is_first {
            self.digests.insert((task.question, task.part), digest);
        }
        Ok(is_first)
    }

    /// Takes back the copies of an answered part that were not begun; the others are compared when they end.
    fn withdraw_others(&mut self, part: usize) -> Result<()> {
        let copies = self
            .tasks
            .iter()
            .filter(|(_, task)| (task.question, task.part) == (self.question, part));
        for number in copies.map(|(&number, _)| number).collect::<Vec<_>>() {
            if self.workers.withdraw(number)? {
                self.tasks.remove(&number);
            }
        }
        Ok(())
    }

    fn add_time(&mut self, time: Duration) {
        if self.times.len() == KEPT {
            self.times.pop_front();
        }
        self.times.push_back(time);
    }

    fn median(&self) -> Option<Duration> {
        let mut times: Vec<Duration> = self.times.iter().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    fn look_for_silence(&mut self, asked: &mut Asked<W::Data>) -> Result<()> {
        if asked.warned || asked.heard.elapsed() < SILENCE {
            return Ok(());
        }
        asked.warned = true;
        let have = match self.workers.width()? {
            0 => "the engine has no processors".to_owned(),
            width => format!("{width} can be answered at the same time"),
        };
        let (seconds, parts) = (SILENCE.as_secs(), self.tasks.len());
        self.workers.warn(&format!(
            "no part was answered for {seconds} seconds; {parts} are asked for, {have}"
        ))
    }

    /// Gives up the tasks under way.
    fn give_up(&mut self) {
        for number in std::mem::take(&mut self.tasks).into_keys() {
            // What cannot be given up ends with its worker.
            let _ = self.workers.cancel(number);
        }
    }
}

impl<W: Workers> Drop for State<W> {
    fn drop(&mut self) {
        self.give_up();
    }
}
