//! The claims of a plugin are checked on every use: a plugin of the 2 x 2 puzzle that breaks one rule at a time.

use super::super::layout::{Buffer, address};
use super::{Exported, module_of};
use crate::guest::table;
use crate::host::{Function, Instance, Module, PluginSpec};
use serde_json::{Value, json};
use std::sync::Arc;
use twisterl_core::env::Start;
use twisterl_core::envs::puzzle::Puzzle;
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::space::{Action, Actions, Observations};
use twisterl_core::{Error, Result};

/// Changes a result of a function, or what it has written to a buffer.
#[derive(Clone)]
enum Lie {
    Result(Function, i64),
    Written(Function, Buffer, Vec<u8>),
    /// A change of the description.
    Described(fn(&mut Value)),
    Lacks(Function),
    Traps(Function),
    /// Makes no more than one environment.
    OneSlot,
}

struct Liar {
    inner: Arc<dyn Module>,
    lie: Lie,
}

struct LyingInstance {
    inner: Box<dyn Instance>,
    lie: Lie,
    layout: u64,
    /// The description that is told, and its address and length.
    told: String,
    span: Box<[usize; 2]>,
}

impl Module for Liar {
    fn instance(&self) -> Result<Box<dyn Instance>> {
        let (inner, lie) = (self.inner.instance()?, self.lie.clone());
        let (told, span) = (String::new(), Box::new([0, 0]));
        Ok(Box::new(LyingInstance { inner, lie, layout: 0, told, span }))
    }

    fn has(&self, function: Function) -> bool {
        !matches!(self.lie, Lie::Lacks(lacking) if lacking == function)
    }
}

impl Instance for LyingInstance {
    fn call(&mut self, function: Function, arguments: &[i32], rows: usize) -> Result<i64> {
        let result = self.inner.call(function, arguments, rows)?;
        if function == Function::Layout {
            self.layout = result as u64;
        }
        match self.lie.clone() {
            Lie::Result(lying, told) if lying == function => return Ok(told),
            Lie::Written(lying, buffer, bytes) if lying == function => {
                let address = address(&*self.inner, self.layout, buffer)?.unwrap();
                self.inner.write(address, &bytes)?;
            }
            Lie::OneSlot if function == Function::Init && arguments[1] > 1 => return Ok(-1),
            Lie::Traps(trapping) if trapping == function => {
                return Err(Error::internal("unreachable"));
            }
            Lie::Described(change) if function == Function::Describe => {
                let text = super::super::layout::text_at(&*self.inner, result as u64)?.unwrap();
                let mut description = serde_json::from_str(&text).unwrap();
                change(&mut description);
                self.told = match description {
                    Value::String(text) => text,
                    value => value.to_string(),
                };
                *self.span = [self.told.as_ptr() as usize, self.told.len()];
                return Ok(self.span.as_ptr() as usize as i64);
            }
            _ => {}
        }
        Ok(result)
    }

    fn read(&self, address: u64, len: usize) -> Result<&[u8]> {
        self.inner.read(address, len)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.inner.write(address, bytes)
    }

    fn address_bytes(&self) -> usize {
        self.inner.address_bytes()
    }
}

/// Plays an episode of a lying plugin by every function, and returns the error.
fn told(lie: Lie) -> String {
    let play = || {
        let inner = module_of(table::<Exported<Puzzle>>())?;
        let module = Arc::new(Liar { inner, lie });
        let spec = PluginSpec::new("./lib.so", module, &json!({"width": 2, "height": 2}))?;
        let mut env = spec.batch(2);
        let mut rng = stream(0, Purpose::Start, 0, 0);
        env.begin(0, Start::Scramble { difficulty: 4 }, &mut rng)?;
        env.begin(1, Start::State { state: &[1.0, 0.0, 2.0, 3.0], difficulty: None }, &mut rng)?;
        env.observe(&[0, 1], &mut Observations::new(), &mut Vec::new())?;
        let mut actions = Actions::new(&spec.action_space());
        actions.push(Action::Discrete(0));
        actions.push(Action::Discrete(1));
        env.step(&[0, 1], &actions, &mut Vec::new())?;
        env.copy(&[(0, 1)])?;
        env.state(0, &mut Vec::new())?;
        env.keys(&[0, 1], &mut Vec::new())?;
        env.render(0)?;
        env.twisted_state(0, 0)?;
        env.inverse_state(0)?;
        env.invert_solution(0, &[0, 1])?;
        Ok::<(), Error>(())
    };
    play().expect_err("a lie").to_string()
}

fn bytes<const N: usize>(numbers: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    numbers.into_iter().flatten().collect()
}

/// Requires that each lie is found.
fn found<const N: usize>(lies: [(Lie, &str); N]) {
    for (lie, expected) in lies {
        let text = told(lie);
        assert_eq!(text.trim_start_matches("environment ./lib.so: "), expected);
    }
}

#[test]
fn results_that_break_the_interface_are_named() {
    use Function::{Abi, Begin, Copy, Init, InverseState, InvertSolution};
    use Function::{Keys, Observe, Render, Scratch, State, Step, TwistedState};
    found([
        (Lie::Result(Begin, 1), "a start is solved or not: result 1"),
        (Lie::Result(Begin, -1), "te_begin works: result -1 without a text"),
        // Scrambles are not refused, states are.
        (Lie::Result(Begin, -2), "te_begin works: result -2 without a text"),
        (
            Lie::OneSlot,
            "init makes as many environments as the host needs, here 2: result -1 without a text",
        ),
        (Lie::Result(Init, 7), "te_init returns 0, or a number below 0 after an error: 7"),
        (Lie::Result(Step, 3), "te_step returns 0, or a number below 0 after an error: 3"),
        (Lie::Result(Observe, 2), "te_observe returns 0, or a number below 0 after an error: 2"),
        (Lie::Result(Copy, 1), "te_copy returns 0, or a number below 0 after an error: 1"),
        (Lie::Result(Keys, 2), "te_keys returns 0, or a number below 0 after an error: 2"),
        (Lie::Result(Step, -7), "te_step works: result -7 without a text"),
        (Lie::Result(Copy, -1), "te_copy works: result -1 without a text"),
        (Lie::Result(Keys, -1), "te_keys works: result -1 without a text"),
        (Lie::Result(State, -1), "te_state works: result -1 without a text"),
        (Lie::Result(State, 1 << 30), "states have at most 24 numbers: 1073741824"),
        (Lie::Result(TwistedState, 1 << 30), "states have at most 24 numbers: 1073741824"),
        (Lie::Result(InverseState, 1 << 30), "states have at most 24 numbers: 1073741824"),
        (Lie::Result(InverseState, -1), "te_inverse_state works: result -1 without a text"),
        (Lie::Result(InvertSolution, 1), "an inverted solution has as many actions: 1 for 2"),
        (Lie::Result(Render, 0), "te_render works: result -1 without a text"),
        (Lie::Traps(Step), "te_step returns: internal error: unreachable"),
        (Lie::Traps(Init), "te_init returns: internal error: unreachable"),
        (
            Lie::Lacks(Copy),
            "a plugin has all functions of twisterl.h that are not optional: no function te_copy",
        ),
        (
            Lie::Result(Abi, 3 << 16),
            "a plugin has version 1 of the interface: build it with the twisterl.h or \
            twisterl-plugin of this release: version 3.0",
        ),
        (Lie::Result(Scratch, 0), "te_scratch works: result -1 without a text"),
    ]);
}

#[test]
fn buffers_that_break_the_interface_are_named() {
    use Buffer::{Flags, Indices, Masks, Offsets, Rewards};
    use Function::{Observe, State, Step};
    let words = |numbers: &[u32]| bytes(numbers.iter().map(|n| n.to_le_bytes()));
    let floats = |numbers: &[f32]| bytes(numbers.iter().map(|n| n.to_le_bytes()));
    found([
        (Lie::Written(Step, Rewards, floats(&[0.0, f32::NAN])), "rewards are finite: NaN"),
        (
            Lie::Written(Step, Flags, words(&[0, 3])),
            "flags of a step are 1 (terminated) or 2 (truncated), and 4 (solved): 3",
        ),
        (
            Lie::Written(Step, Flags, words(&[8])),
            "flags of a step are 1 (terminated) or 2 (truncated), and 4 (solved): 8",
        ),
        (Lie::Written(Step, Flags, words(&[4])), "a step that solves terminates: 4"),
        (
            Lie::Written(Observe, Offsets, words(&[1, 4, 8])),
            "offsets rise from 0 to at most 32: [1, 4, 8]",
        ),
        (
            Lie::Written(Observe, Offsets, words(&[0, 4, 3])),
            "offsets rise from 0 to at most 32: [0, 4, 3]",
        ),
        (
            Lie::Written(Observe, Offsets, words(&[0, 4, 1 << 31])),
            "offsets rise from 0 to at most 32: [0, 4, 2147483648]",
        ),
        (Lie::Written(Observe, Indices, words(&[16])), "bits are below 16: 16"),
        (
            Lie::Written(Observe, Indices, words(&[5, 0, 5])),
            "an observation has each bit once: bit 5 twice",
        ),
        (
            Lie::Written(State, Buffer::State, bytes([f64::NAN.to_le_bytes()])),
            "states consist of finite numbers: NaN",
        ),
        (Lie::Written(Observe, Masks, vec![2]), "masks consist of 0 and 1: 2"),
        (
            Lie::Written(Observe, Masks, vec![0; 4]),
            "masks leave a choice: [false, false, false, false]",
        ),
    ]);
}

#[test]
fn descriptions_that_make_no_sense_are_refused() {
    for (change, expected) in [
        (
            (|d| *d = Value::String("{".into())) as fn(&mut Value),
            "the description is that of twisterl.h: EOF while parsing an object at line 1 column 1",
        ),
        (|d| d["name"] = json!(""), "the description has a name: an empty one"),
        (
            |d| d["observation"] = json!({"type": "sparse_binary", "shape": [70_000, 70_000]}),
            "observations have 1 to 67108864 bits and values: SparseBinary { shape: [70000, 70000] }",
        ),
        (
            |d| d["observation"] = json!({"type": "dense", "shape": []}),
            "observations have 1 to 67108864 bits and values: Dense { shape: [] }",
        ),
        (
            |d| d["actions"] = json!([{"type": "discrete", "n": 5_000_000}]),
            "actions have at most 1048576 choices and numbers: 5000000",
        ),
        (
            |d| d["actions"] = json!([]),
            "actions are those of a space: action_space: expected at least one component, found none",
        ),
        (|d| d["state"] = json!(1u64 << 40), "states have at most 16777216 numbers: 1099511627776"),
        (|d| d["params"] = json!([]), "parameters are a JSON object: []"),
        (
            |d| d["inverses"] = json!([0, 1, 2]),
            "inverses are one for each action, of which each is an action or null: [Some(0), Some(1), Some(2)]",
        ),
        (
            |d| d["inverses"] = json!([0, 1, 2, 4]),
            "inverses are one for each action, of which each is an action or null: [Some(0), Some(1), Some(2), Some(4)]",
        ),
        (|d| d["twists"][0]["action"] = json!([0, 0, 1, 2]), "twists are permutations"),
    ] {
        let text = told(Lie::Described(change));
        let text = text.trim_start_matches("environment ./lib.so: ");
        assert!(text.starts_with(expected), "{text}");
    }
    let unknown = told(Lie::Described(|d| d["reward"] = json!(1)));
    assert!(unknown.contains("unknown field `reward`"), "{unknown}");
}

#[test]
fn an_environment_without_states_keeps_the_contract() {
    let inner = module_of(table::<Exported<Puzzle>>()).unwrap();
    let module = Arc::new(Liar { inner, lie: Lie::Described(|d| d["state"] = json!(0)) });
    let spec = PluginSpec::new("./lib.so", module, &json!({})).unwrap();
    assert!(!spec.tells_states());
    let report = spec.check(1).unwrap().to_string();
    assert!(report.contains("states, since it does not tell them"), "{report}");
    let state = spec.batch(1).state(0, &mut Vec::new()).unwrap_err().to_string();
    assert!(state.ends_with("found ./lib.so, which has none"), "{state}");
}

#[test]
fn an_instance_that_trapped_is_not_called_again() {
    let inner = module_of(table::<Exported<Puzzle>>()).unwrap();
    let module = Arc::new(Liar { inner, lie: Lie::Traps(Function::Step) });
    let spec = PluginSpec::new("./lib.so", module, &json!({})).unwrap();
    let mut env = spec.batch(1);
    let mut rng = stream(0, Purpose::Start, 0, 0);
    env.begin(0, Start::Scramble { difficulty: 4 }, &mut rng).unwrap();
    let mut actions = Actions::new(&spec.action_space());
    actions.push(Action::Discrete(0));
    let first = env.step(&[0], &actions, &mut Vec::new()).unwrap_err();
    let second = env.begin(0, Start::Scramble { difficulty: 4 }, &mut rng).unwrap_err();
    assert_eq!(first, second);
}
