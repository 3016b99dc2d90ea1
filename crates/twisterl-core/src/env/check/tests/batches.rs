//! Batches that are not of environments in Rust: each breaks the contract in one way, or can do less.

use super::*;
use crate::env::batch::{EnvBatch, VecEnv};
use crate::space::Observations;

/// One way in which a batch is broken or limited.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Batch {
    Sound,
    CannotCopy,
    CopyFails,
    /// A scramble in one slot also begins the first one.
    BeginsNeighbour,
    /// A step in one slot is taken in the first one, too.
    StepsNeighbour,
    /// The episode depends on the number of the batch.
    DiffersElsewhere,
    /// The first episode of a slot depends on nothing but the key, the next ones on the first.
    DiffersAgain,
    /// A choice that there is not spoils the other slots.
    OutsideSpoils,
    /// The same, for the slot that takes it.
    OutsideStays,
    OtherMaskAlone,
    WithoutDifficulty,
    RefusesOwnState,
    RefusesMasked,
    TellsNoTwists,
    /// The same, where no action has its image.
    WrongTwists,
    TellsNoStates,
    Histories,
}

/// A batch of lines with a fault.
struct Lines {
    fault: Batch,
    batch: EnvBatch<Line>,
    number: usize,
    begun: usize,
    spoilt: Option<usize>,
}

impl Lines {
    fn is_masked(&self, slot: usize, actions: &Actions) -> bool {
        let (mut observations, mut mask) = (Observations::new(), Vec::new());
        let mut batch = self.batch.clone();
        batch.observe(&[slot], &mut observations, &mut mask).unwrap();
        !mask[actions.row(0).index()]
    }
}

impl VecEnv for Lines {
    fn name(&self) -> &str {
        "Lines"
    }

    fn len(&self) -> usize {
        self.batch.len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        if matches!(start, Start::State { state: [_], .. }) && self.fault == Batch::RefusesOwnState
        {
            return Err(Error::state("another one", "this one"));
        }
        self.begun += 1;
        if self.fault == Batch::DiffersElsewhere && self.number % 2 == 1
            || self.fault == Batch::DiffersAgain && self.begun > 1
        {
            let _: u32 = rng.random();
        }
        if self.fault == Batch::BeginsNeighbour && slot > 0 && matches!(start, Start::State { .. })
        {
            self.batch.begin(0, Start::State { state: &[0.0], difficulty: None }, rng)?;
        }
        if self.spoilt == Some(slot) && self.fault == Batch::OutsideStays {
            return self.batch.begin(slot, Start::State { state: &[0.0], difficulty: None }, rng);
        }
        self.batch.begin(slot, start, rng)
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        self.batch.observe(slots, observations, masks)
    }

    fn masks(&mut self, slots: &[usize], masks: &mut Vec<bool>) -> Result<()> {
        match self.fault {
            Batch::OtherMaskAlone => masks.extend(slots.iter().flat_map(|_| [true, true])),
            _ => self.batch.masks(slots, masks)?,
        }
        Ok(())
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        if actions.discrete[0] >= 2 {
            self.spoilt = Some(slots[0]);
            if self.fault == Batch::OutsideSpoils {
                let mut rng = StreamKey::new(0, Purpose::Start).stream();
                for slot in 0..self.len() {
                    let start = Start::State { state: &[0.0], difficulty: None };
                    self.batch.begin(slot, start, &mut rng)?;
                }
            }
            steps.push(Step::default());
            return Ok(());
        }
        if self.fault == Batch::RefusesMasked && self.is_masked(slots[0], actions) {
            return Err(Error::action("an allowed action", "another one"));
        }
        if self.fault == Batch::StepsNeighbour && slots != [0] {
            self.batch.step(&[0], actions, &mut Vec::new())?;
        }
        self.batch.step(slots, actions, steps)
    }

    fn solved(&self, slot: usize) -> bool {
        self.batch.solved(slot)
    }

    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        if self.fault == Batch::TellsNoStates {
            return Err(Error::config("env_cls", "one that tells", "one that does not"));
        }
        self.batch.state(slot, out)
    }

    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        match self.fault {
            Batch::CannotCopy => Err(Error::config("env_cls", "one that can", "one that cannot")),
            Batch::CopyFails => Err(Error::contract("Lines", "copy returns", "a trap")),
            _ => self.batch.copy(pairs),
        }
    }

    fn difficulty(&self, slot: usize) -> Option<usize> {
        self.batch.difficulty(slot).filter(|_| self.fault != Batch::WithoutDifficulty)
    }

    fn twisted_state(&self, slot: usize, index: usize) -> Result<Option<Vec<f64>>> {
        match self.fault {
            Batch::TellsNoTwists | Batch::WrongTwists => {
                Err(Error::config("env_cls", "one that tells", "one that does not"))
            }
            _ => self.batch.twisted_state(slot, index),
        }
    }

    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        self.batch.inverse_state(slot)
    }

    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        self.batch.invert_solution(slot, actions)
    }

    fn step_back(&mut self, slot: usize, rng: &mut Rng) -> Result<Option<u32>> {
        self.batch.step_back(slot, rng)
    }

    fn render(&self, slot: usize) -> Result<String> {
        self.batch.render(slot)
    }

    fn action_name(&self, action: Action<'_>) -> String {
        self.batch.action_name(action)
    }
}

/// Checks lines with a fault, by these rules.
fn checked(fault: Batch, rules: Rules, seed: u64) -> Result<Report> {
    let line = Line::new(&Fault::None)?;
    let made = AtomicUsize::new(0);
    let batch = |len: usize| -> Box<dyn VecEnv> {
        Box::new(Lines {
            fault,
            batch: EnvBatch::new(&line, len),
            number: made.fetch_add(1, Ordering::Relaxed),
            begun: 0,
            spoilt: None,
        })
    };
    let mut subject = Subject { rules, ..Subject::of(&line, &batch) };
    if fault == Batch::WrongTwists {
        subject.twists[0].action = vec![0, 1];
    }
    match fault {
        Batch::TellsNoStates => subject.states = States::Untold,
        Batch::Histories => subject.states = States::Histories,
        _ => {}
    }
    check(&subject, seed)
}

#[test]
fn each_fault_of_a_batch_is_caught_by_its_rule() {
    for (fault, expected) in [
        (Batch::CopyFails, "copy returns"),
        (Batch::BeginsNeighbour, rule::SLOTS),
        (Batch::StepsNeighbour, rule::CLONES),
        (Batch::DiffersElsewhere, rule::SAME),
        (Batch::DiffersAgain, rule::SAME),
        (Batch::OutsideSpoils, rule::OUTSIDE),
        (Batch::OutsideStays, rule::OUTSIDE),
        (Batch::OtherMaskAlone, rule::MASKS),
        (Batch::RefusesOwnState, rule::STATES),
        (Batch::RefusesMasked, rule::ACTIONS),
        (Batch::WrongTwists, rule::SYMMETRY),
    ] {
        for seed in 0..5 {
            match checked(fault, Rules::Contract, seed) {
                Err(Error::Contract { rule, found, .. }) => {
                    assert_eq!(rule, expected, "{fault:?}: {found}");
                }
                other => unreachable!("{fault:?}, seed {seed}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_sound_batch_passes_as_its_environment_does() {
    let env = check_env(&Line::new(&Fault::None).unwrap(), 3).unwrap();
    assert_eq!(checked(Batch::Sound, Rules::Contract, 3).unwrap(), env);
    assert_eq!(env.not_checked, [""; 0]);
}

#[test]
fn what_an_environment_cannot_do_is_named_in_the_report() {
    for (fault, rules, expected) in [
        (Batch::CannotCopy, Rules::Contract, "copies, since it cannot be copied (env_cls: "),
        (Batch::TellsNoStates, Rules::Contract, "states, since it does not tell them"),
        (Batch::Histories, Rules::Contract, "that wrong states are refused, since "),
        (Batch::WithoutDifficulty, Rules::Contract, "that difficulties are kept, since "),
        (Batch::RefusesMasked, Rules::Training, "masked actions, since they are refused (action: "),
    ] {
        let report = checked(fault, rules, 0).unwrap();
        assert_eq!(report.not_checked.len(), 1, "{report}");
        assert!(report.not_checked[0].starts_with(expected), "{report}");
        assert!(report.to_string().contains("; not checked: "), "{report}");
        assert!(report.steps > 1000, "{report}");
    }
}

#[test]
fn twists_are_checked_from_solved_states_where_images_are_not_told() {
    let report = checked(Batch::TellsNoTwists, Rules::Contract, 0).unwrap();
    assert_eq!((report.twists, &report.not_checked[..]), (1, &[][..]));
}
