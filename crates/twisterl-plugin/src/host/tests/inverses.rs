//! Inverse problems behind the interface.

use super::{Exported, module_of, plugin};
use crate::abi::Table;
use crate::guest::table;
use crate::host::PluginSpec;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::mem::offset_of;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Environment, Start, Step, whole_numbers};
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::{Purpose, Rng, stream};
use twisterl_core::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use twisterl_core::{Error, Result};

/// The places of the dial.
const PLACES: usize = 7;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct DialParams {
    /// Solutions keep their order when they are turned around, which is not the default.
    in_order: bool,
}

/// A dial that is turned by one place, to 0. Its inverse problem is the opposite place.
#[derive(Debug, Clone)]
struct Dial {
    place: usize,
    params: DialParams,
}

impl Environment for Dial {
    const NAME: &'static str = "Dial";

    type Params = DialParams;

    fn new(params: &DialParams) -> Result<Self> {
        Ok(Self { place: 0, params: params.clone() })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::SparseBinary { shape: vec![PLACES] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(2)
    }

    fn reset(&mut self, _: &mut Rng) {
        self.place = 1;
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        self.place = (self.place + [1, PLACES - 1][action.index()]) % PLACES;
        Step { reward: -1.0, terminated: self.solved(), truncated: false }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.one(self.place);
    }

    fn solved(&self) -> bool {
        self.place == 0
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.push(self.place as f64);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let place = whole_numbers(state, PLACES).next().transpose()?;
        self.place = place.ok_or_else(|| Error::state("one place", state.len()))?;
        Ok(())
    }

    fn inverse(&self, action: usize) -> Option<usize> {
        Some(1 - action)
    }

    /// Place 3 has none.
    fn inverse_state(&self) -> Option<Vec<f64>> {
        (self.place != 3).then(|| vec![((PLACES - self.place) % PLACES) as f64])
    }

    fn invert_solution(&self, actions: &[u32]) -> Option<Vec<u32>> {
        let turned = actions.iter().map(|action| 1 - action);
        Some(if self.params.in_order { turned.collect() } else { turned.rev().collect() })
    }
}

/// Returns a batch of one dial at a place.
fn at(spec: &PluginSpec, place: f64) -> Box<dyn VecEnv> {
    let mut env = spec.batch(1);
    let start = Start::State { state: &[place], difficulty: None };
    env.begin(0, start, &mut stream(0, Purpose::Start, 0, 0)).unwrap();
    env
}

#[test]
fn inverse_problems_pass_through() {
    for (in_order, turned) in [(false, [1, 0, 0]), (true, [0, 0, 1])] {
        let spec = plugin::<Dial>(&json!({"in_order": in_order})).unwrap();
        let env = at(&spec, 2.0);
        assert_eq!(env.inverse_state(0).unwrap(), Some(vec![5.0]));
        assert_eq!(env.invert_solution(0, &[1, 1, 0]).unwrap().unwrap(), turned);
        assert_eq!(env.invert_solution(0, &[]).unwrap().unwrap(), [0; 0]);
        let many = env.invert_solution(0, &vec![1; 100_000]).unwrap().unwrap();
        assert_eq!((many.len(), many[0]), (100_000, 0));
        assert_eq!(at(&spec, 3.0).inverse_state(0).unwrap(), None);
        let error = env.invert_solution(0, &[2]).unwrap_err().to_string();
        assert!(error.contains("action: expected 0 to 1, found 2"), "{error}");
    }
}

/// A library that was built with version 1.0 has a shorter table, and one in C may leave the functions out.
#[test]
fn without_the_functions_there_is_no_inverse_problem_and_solutions_are_undone_in_reverse() {
    let whole = table::<Exported<Dial>>();
    let older = Table { abi: 1 << 16, size: offset_of!(Table, inverse_state) as u32, ..whole };
    let lacking = Table { inverse_state: None, invert_solution: None, ..whole };
    for (table, inverse) in [
        (older, None),
        (lacking, None),
        (Table { invert_solution: None, ..whole }, Some(vec![5.0])),
    ] {
        let spec =
            PluginSpec::new("./lib.so", module_of(table).unwrap(), &json!({"in_order": true}));
        let env = at(&spec.unwrap(), 2.0);
        assert_eq!(env.inverse_state(0).unwrap(), inverse);
        assert_eq!(env.invert_solution(0, &[1, 1, 0]).unwrap().unwrap(), [1, 0, 0]);
    }
}
