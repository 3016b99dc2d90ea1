//! Threads that each run one worker process and hand it tasks.

use super::link::{Link, Program};
use super::wire;
use crate::system::process_group::Leader;
use crate::trainer::distributed::scheduler::Outcome;
use crate::{Error, Result};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes that all workers may need, with a number by which they know them again.
pub type Data = Arc<(u64, Vec<u8>)>;

/// Worker processes of this machine. A process is started when it is needed, and again after it was lost.
#[derive(Debug)]
pub struct Crew {
    shared: Arc<Shared>,
    ended: Receiver<(u64, Outcome)>,
    sender: Sender<(u64, Outcome)>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    program: Program,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    tasks: VecDeque<Task>,
    members: Vec<Arc<Member>>,
}

#[derive(Debug)]
struct Task {
    number: u64,
    config: Data,
    question: Data,
    part: usize,
}

#[derive(Debug, Default)]
struct Member {
    /// True once it is to leave.
    leaving: AtomicBool,
    /// True once its thread is on its way out.
    left: AtomicBool,
    child: Mutex<Option<Leader>>,
}

impl Crew {
    /// Returns `workers` processes of a program.
    ///
    /// # Errors
    /// If no threads can be started.
    pub fn new(program: Program, workers: usize) -> Result<Self> {
        let shared = Shared { program, state: Mutex::default(), ready: Condvar::new() };
        let (sender, ended) = mpsc::channel();
        let mut crew = Self { shared: Arc::new(shared), ended, sender, threads: Vec::new() };
        crew.resize(workers)?;
        Ok(crew)
    }

    /// Changes the number of workers. Those that are too many leave when they are done.
    ///
    /// # Errors
    /// If no threads can be started.
    pub fn resize(&mut self, workers: usize) -> Result<()> {
        self.threads.retain(|thread| !thread.is_finished());
        let mut state = lock(&self.shared.state);
        state.members.retain(|member| !member.left.load(Ordering::SeqCst));
        for (number, member) in state.members.iter().enumerate() {
            member.leaving.store(number >= workers, Ordering::SeqCst);
        }
        while state.members.len() < workers {
            let member = Arc::new(Member::default());
            let (shared, sender) = (Arc::clone(&self.shared), self.sender.clone());
            let own = Arc::clone(&member);
            let thread = std::thread::Builder::new()
                .name(format!("twisterl-worker-{}", state.members.len()))
                .spawn(move || serve(&shared, &own, &sender))
                .map_err(|e| Error::threads(&e))?;
            self.threads.push(thread);
            state.members.push(member);
        }
        self.shared.ready.notify_all();
        Ok(())
    }

    /// Has a part answered, as the task with this number.
    pub fn submit(&self, number: u64, config: Data, question: Data, part: usize) {
        lock(&self.shared.state).tasks.push_back(Task { number, config, question, part });
        self.shared.ready.notify_one();
    }

    /// Takes back a task if it was not begun. Returns true if it was taken back.
    pub fn withdraw(&self, number: u64) -> bool {
        let mut state = lock(&self.shared.state);
        let before = state.tasks.len();
        state.tasks.retain(|task| task.number != number);
        state.tasks.len() < before
    }

    /// Waits until a task has ended, but at most for some time. Returns those that have ended.
    pub fn wait(&self, time: Duration) -> Vec<(u64, Outcome)> {
        let first = self.ended.recv_timeout(time).ok();
        first.into_iter().chain(self.ended.try_iter()).collect()
    }

    /// Returns the numbers of the processes that were started.
    pub fn pids(&self) -> Vec<u32> {
        let state = lock(&self.shared.state);
        state.members.iter().filter_map(|m| lock(&m.child).as_ref().map(Leader::id)).collect()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.tasks.clear();
        for member in &state.members {
            member.leaving.store(true, Ordering::SeqCst);
            member.kill();
        }
        drop(state);
        self.shared.ready.notify_all();
        for thread in self.threads.drain(..) {
            // One that has panicked has nothing to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Returns the next task of a worker, or `None` once it is to leave.
    fn next(&self, member: &Member) -> Option<Task> {
        let mut state = lock(&self.state);
        loop {
            if member.leaving.load(Ordering::SeqCst) {
                member.left.store(true, Ordering::SeqCst);
                return None;
            }
            if let Some(task) = state.tasks.pop_front() {
                return Some(task);
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Hands tasks to one process until it is to leave.
fn serve(shared: &Shared, member: &Member, ended: &Sender<(u64, Outcome)>) {
    let mut process = None;
    while let Some(task) = shared.next(member) {
        let outcome = member.answer(&mut process, &shared.program, &task);
        if ended.send((task.number, outcome)).is_err() {
            break;
        }
    }
    member.end();
}

/// The way to a process, and the numbers of the config and the question that it has.
struct Process {
    pid: u32,
    answers: Box<dyn Read + Send>,
    requests: Box<dyn Write + Send>,
    config: Option<u64>,
    question: Option<u64>,
}

impl Process {
    /// Returns the answer to a task, if the process of `member` lives on until then.
    fn ask(&mut self, member: &Member, task: &Task) -> Option<(wire::Kind, Vec<u8>)> {
        let mut requests = WhileRunning { file: &mut *self.requests, member };
        let mut answers = WhileRunning { file: &mut *self.answers, member };
        for (known, data, kind) in [
            (&mut self.config, &task.config, wire::CONFIG),
            (&mut self.question, &task.question, wire::QUESTION),
        ] {
            if *known != Some(data.0) {
                wire::write(&mut requests, kind, &data.1).ok()?;
                *known = Some(data.0);
            }
        }
        wire::write(&mut requests, wire::PART, task.part.to_string().as_bytes()).ok()?;
        wire::read(&mut answers)
    }
}

/// A direction of the way to a process that ends with it, even if processes that it has started hold the other side open.
struct WhileRunning<'a, F: ?Sized> {
    file: &'a mut F,
    member: &'a Member,
}

impl<F: ?Sized> WhileRunning<'_, F> {
    /// Repeats what times out while the process is running.
    fn attempt(
        &mut self,
        mut work: impl FnMut(&mut F) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        loop {
            // Asked first, since a process may have written something before it ended.
            let is_running = self.member.is_running();
            match work(self.file) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if !is_running {
                        return None;
                    }
                }
                done => return Some(done),
            }
        }
    }
}

impl<F: Read + ?Sized> Read for WhileRunning<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(|file| file.read(buffer)).unwrap_or(Ok(0))
    }
}

impl<F: Write + ?Sized> Write for WhileRunning<'_, F> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.attempt(|file| file.write(data)).unwrap_or(Ok(0))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Member {
    fn answer(&self, process: &mut Option<Process>, program: &Program, task: &Task) -> Outcome {
        if !self.is_running() {
            *process = None;
        }
        let running = match process {
            Some(running) => running,
            None => match self.start(program) {
                Ok(started) => process.insert(started),
                Err(error) => {
                    let path = program.path.display();
                    return Outcome::Failed(format!("{path}: cannot be run: {error}"));
                }
            },
        };
        let pid = running.pid;
        match running.ask(self, task) {
            Some((wire::ANSWER, answer)) => Outcome::Answer(answer),
            Some((wire::FAILURE, text)) => {
                let text = String::from_utf8_lossy(&text);
                Outcome::Failed(format!("in worker process {pid}:\n{text}"))
            }
            Some(_) | None => {
                *process = None;
                let how = self.end().unwrap_or_else(|| "no exit code".into());
                Outcome::Lost(format!("worker process {pid} ended with {how}"))
            }
        }
    }

    fn start(&self, program: &Program) -> std::io::Result<Process> {
        let mut child = lock(&self.child);
        if self.leaving.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let (link, started): (Link, Leader) = program.start()?;
        let pid = started.id();
        *child = Some(started);
        let (answers, requests) = link.split()?;
        let (answers, requests) = (Box::new(answers), Box::new(requests));
        Ok(Process { pid, answers, requests, config: None, question: None })
    }

    fn is_running(&self) -> bool {
        lock(&self.child).as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    fn kill(&self) {
        if let Some(child) = &mut *lock(&self.child) {
            child.kill();
        }
    }

    /// Ends the process. Returns how it ended.
    fn end(&self) -> Option<String> {
        self.kill();
        let mut child = lock(&self.child).take()?;
        child.wait().ok().map(|status| status.to_string())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
