#![allow(clippy::unwrap_used)]
use super::*;
use std::sync::Arc;

/// Workers that answer in order, as `answer` says: for a part, and the number of times that it was asked before.
struct Script {
    width: usize,
    answer: fn(usize, usize) -> Outcome,
    /// Tasks under way with their parts.
    tasks: VecDeque<(u64, usize)>,
    asked: Arc<Mutex<Vec<usize>>>,
    /// The most parts under way.
    most: Arc<Mutex<usize>>,
}

impl Workers for Script {
    type Data = Vec<u8>;

    fn put(&mut self, data: &[u8]) -> Result<Vec<u8>> {
        Ok(data.to_vec())
    }

    fn submit(&mut self, task: u64, _: &Vec<u8>, _: &Vec<u8>, part: usize) -> Result<()> {
        self.tasks.push_back((task, part));
        let mut most = self.most.lock().unwrap();
        *most = self.tasks.len().max(*most);
        Ok(())
    }

    fn wait(&mut self, _: Duration) -> Result<Vec<(u64, Outcome)>> {
        let mut asked = self.asked.lock().unwrap();
        let answer = |(task, part): (u64, usize)| {
            let before = asked.iter().filter(|&&other| other == part).count();
            asked.push(part);
            (task, (self.answer)(part, before))
        };
        Ok(self.tasks.pop_front().map(answer).into_iter().collect())
    }

    fn width(&mut self) -> Result<usize> {
        Ok(self.width)
    }

    fn withdraw(&mut self, task: u64) -> Result<bool> {
        let before = self.tasks.len();
        self.tasks.retain(|(other, _)| *other != task);
        Ok(self.tasks.len() < before)
    }

    fn cancel(&mut self, task: u64) -> Result<()> {
        self.withdraw(task).map(drop)
    }

    fn warn(&mut self, _: &str) -> Result<()> {
        Ok(())
    }
}

/// The result of a question of six parts, the parts in the order in which they were answered, and the most under way.
fn ask(
    width: usize,
    answer: fn(usize, usize) -> Outcome,
) -> (Result<Vec<Vec<u8>>>, Vec<usize>, usize) {
    let (asked, most) = (Arc::default(), Arc::default());
    let (seen, at_once) = (Arc::clone(&asked), Arc::clone(&most));
    let scheduler = Scheduler::new(Script { width, answer, tasks: VecDeque::new(), asked, most });
    let result = scheduler.ask("{}", b"question", 6, &Interrupt::default());
    let (seen, at_once) = (seen.lock().unwrap().clone(), *at_once.lock().unwrap());
    (result, seen, at_once)
}

fn right(part: usize) -> Outcome {
    Outcome::Answer(vec![part as u8])
}

const ALL: [[u8; 1]; 6] = [[0], [1], [2], [3], [4], [5]];

#[test]
fn parts_are_asked_for_in_order_and_two_at_a_time_of_each_worker() {
    for width in 0..4 {
        let (answers, asked, most) = ask(width, |part, _| right(part));
        assert_eq!(answers.unwrap(), ALL);
        // Where there are several workers, an idle one may answer a part again that seems late.
        if width < 2 {
            assert_eq!(asked, [0, 1, 2, 3, 4, 5]);
        }
        assert_eq!(most, 6.min(2 * width.max(1)));
    }
}

#[test]
fn parts_of_lost_workers_are_asked_again() {
    let (answers, asked, _) = ask(1, |part, before| match (part, before) {
        (2, 0 | 1) => Outcome::Lost("gone".into()),
        (4, 0) => Outcome::Failed("busy".into()),
        _ => right(part),
    });
    assert_eq!(answers.unwrap(), ALL);
    let times = |part| asked.iter().filter(|&&other| other == part).count();
    assert_eq!([0, 1, 2, 3, 4, 5].map(times), [1, 1, 3, 1, 2, 1]);
}

#[test]
fn a_part_that_fails_three_times_is_an_error_with_its_last_text() {
    let error = |answer| ask(1, answer).0.unwrap_err().to_string();
    let failing = |part, before| match part {
        3 => Outcome::Failed(format!("in worker process 7:\nno such device ({before})")),
        _ => right(part),
    };
    assert_eq!(
        error(failing),
        "part 3 failed 3 times, the last time: in worker process 7:\nno such device (2)"
    );
    let lost = |_, _| Outcome::Lost("worker process 7 ended with signal: 9 (SIGKILL)".into());
    assert_eq!(
        error(lost),
        "part 0 was lost 3 times, the last time: worker process 7 ended with signal: 9 (SIGKILL)"
    );
}

#[test]
fn an_interruption_ends_the_question() {
    let interrupt = Interrupt::default();
    interrupt.set();
    let (asked, most) = (Arc::default(), Arc::default());
    let answer = |part, _| right(part);
    let script = Script { width: 1, answer, tasks: VecDeque::new(), asked, most };
    let error = Scheduler::new(script).ask("{}", b"question", 6, &interrupt).unwrap_err();
    assert!(error.is_interrupted());
}

/// Returns the state of a scheduler and a question of one part that was asked for twice, of which nobody has answered.
fn asked_twice(answer: fn(usize, usize) -> Outcome) -> (State<Script>, Asked<Vec<u8>>) {
    let (asked, most) = (Arc::default(), Arc::default());
    let scheduler =
        Scheduler::new(Script { width: 2, answer, tasks: VecDeque::new(), asked, most });
    let mut state = scheduler.0.into_inner().unwrap();
    let mut asked = state.begin("{}", b"question", 1).unwrap();
    for _ in 0..2 {
        asked.left.clear();
        state.start(&asked, 0).unwrap();
    }
    (state, asked)
}

#[test]
fn the_second_answer_to_a_part_must_equal_the_first_also_after_the_next_question() {
    let differing = |part, before| match before {
        0 => right(part),
        _ => Outcome::Answer(vec![9]),
    };
    for (answer, refused) in
        [((|part, _| right(part)) as fn(usize, usize) -> Outcome, false), (differing, true)]
    {
        let (mut state, mut asked) = asked_twice(answer);
        // The copy is being answered, and cannot be taken back.
        let copy = state.workers.tasks.pop_back().unwrap();
        assert_eq!(state.poll(&mut asked).unwrap(), [(0, vec![0])]);
        state.workers.tasks.push_back(copy);
        let mut next = state.begin("{}", b"another", 0).unwrap();
        let second = state.poll(&mut next);
        assert_eq!(second.is_err(), refused);
        if let Err(error) = second {
            let text = error.to_string();
            assert!(text.starts_with("part 0: expected equal answers of all workers"), "{text}");
        }
    }
}

#[test]
fn late_parts_are_asked_of_idle_workers_once_more() {
    let (mut state, mut asked) = asked_twice(|part, _| right(part));
    let second = state.tasks.pop_last().unwrap();
    state.workers.tasks.pop_back();
    let count = |state: &State<Script>| state.tasks.len();
    state.submit(&mut asked).unwrap();
    assert_eq!(count(&state), 1, "not late yet");
    let Some(long_ago) = second.1.begun.checked_sub(FIRST + FIRST) else { return };
    state.tasks.values_mut().for_each(|task| task.begun = long_ago);
    state.submit(&mut asked).unwrap();
    assert_eq!(count(&state), 2, "late, and one worker is idle");
    state.tasks.values_mut().for_each(|task| task.begun = long_ago);
    state.submit(&mut asked).unwrap();
    assert_eq!(count(&state), 2, "nobody is idle");
}
