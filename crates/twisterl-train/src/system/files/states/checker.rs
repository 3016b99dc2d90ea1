//! The states of an environment, for readers that must tell states from other numbers.

use twisterl_core::Result;
use twisterl_core::env::Start;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::rng::{Purpose, Rng, StreamKey};

/// An environment that begins episodes in states to learn whether they are its own.
pub struct StateChecker {
    env: Box<dyn VecEnv>,
    rng: Rng,
    length: Option<usize>,
    interrupt: Interrupt,
}

impl StateChecker {
    /// Creates an environment of `spec`. Checks end early if `interrupt` asks for it.
    ///
    /// # Errors
    /// If the environment cannot begin an episode.
    pub fn new(spec: &dyn EnvSpec, interrupt: &Interrupt) -> Result<Self> {
        let mut env = spec.batch(1);
        let mut rng = StreamKey::new(0, Purpose::Evaluate).stream();
        let start = Start::Scramble { difficulty: spec.difficulty() };
        let mut state = Vec::new();
        env.begin(0, start, &mut rng)?;
        if spec.tells_states() {
            env.state(0, &mut state)?;
        }
        let length = (!state.is_empty()).then_some(state.len());
        Ok(Self { env, rng, length, interrupt: interrupt.clone() })
    }

    /// The number of numbers of a state; `None` if the environment does not report its state.
    pub fn length(&self) -> Option<usize> {
        self.length
    }

    /// Begins an episode in `state`.
    ///
    /// # Errors
    /// That of the environment, or the interruption.
    pub fn check(&mut self, state: &[f64]) -> Result<()> {
        self.interrupt.check()?;
        self.env.begin(0, Start::State { state, difficulty: None }, &mut self.rng)
    }
}
