//! Requests and their answers.
#![allow(clippy::unwrap_used)]

use super::Agent;
use crate::bundle::payload;
use serde_json::{Value, json};
use twisterl_core::policy::Policy;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::registry::Registry;
use twisterl_core::solve::SolveOptions;

/// Returns an agent with an untrained policy.
fn agent(env_cls: &str, params: &Value, options: Value) -> Agent {
    let registry = Registry::default();
    let spec = registry.make(env_cls, params).unwrap();
    let sizes = MlpSizes {
        embedding_size: 8,
        common_layers: vec![8],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Tanh,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    let policy = Policy::initial(network, env_cls, spec.params(), spec.twists(), 0).unwrap();
    let options: SolveOptions = serde_json::from_value(options).unwrap();
    Agent::open(&payload::write(&policy, Some(&*spec), &options).unwrap(), &registry).unwrap()
}

fn puzzle(options: Value) -> Agent {
    agent("Puzzle", &json!({"width": 2, "height": 2}), options)
}

fn ask(agent: &Agent, request: &Value) -> Value {
    serde_json::from_str(&agent.answer(request.to_string().as_bytes())).unwrap()
}

#[test]
fn records_are_those_of_the_command_line() {
    let record = ask(
        &puzzle(json!({"search": "beam=16"})),
        &json!({"state": [[1, 0], [2, 3]], "optimal": 1}),
    );
    let nodes = record["nodes"].as_u64().unwrap();
    assert_eq!(
        record,
        json!({
            "index": 0, "line": null, "state": [1, 0, 2, 3], "solved": true, "length": 1, "optimal": 1, "gap": 0,
            "reward": record["reward"], "moves": ["left"], "actions": [0], "nodes": nodes, "simulations": 0,
            "seconds": null, "error": null,
        })
    );
}

#[test]
fn a_request_with_a_method_leaves_the_settings_of_the_bundle() {
    let agent = puzzle(json!({"search": "beam=16", "score": "value", "max_steps": 2}));
    let state = json!([3, 2, 1, 0]);
    let steps = |request: Value| ask(&agent, &request);
    // The score of the bundle would be refused beside these methods; its length stays.
    for search in ["greedy", "mcts=4"] {
        let record = steps(json!({"state": state, "search": search}));
        assert_eq!(record["error"], Value::Null, "{record}");
        assert!(record["moves"].as_array().unwrap().len() <= 2, "{record}");
    }
    let refused = steps(json!({"state": state, "search": "greedy", "score": 2}));
    assert_eq!(
        refused["error"],
        "score: expected search beam=W or widening=W with it, found greedy"
    );
    let kept = steps(json!({"state": [1, 0, 2, 3], "score": "policy"}));
    assert_eq!(kept["solved"], true, "{kept}");
}

#[test]
fn a_solve_of_a_scramble_begins_where_scramble_says() {
    let agent = puzzle(json!({"search": "beam=16"}));
    for seed in 0..5 {
        let scramble = ask(&agent, &json!({"call": "scramble", "difficulty": 5, "seed": seed}));
        let record = ask(&agent, &json!({"difficulty": 5, "seed": seed}));
        assert_eq!(record["state"], scramble["state"]);
    }
}

#[test]
fn states_are_evaluated_rendered_and_stepped() {
    let agent = puzzle(json!({}));
    let state = json!([1, 0, 2, 3]);
    let evaluated = ask(&agent, &json!({"call": "evaluate", "state": state}));
    // The moves are left, up, right, down; in this corner only two of them are.
    assert_eq!(evaluated["mask"].as_array().unwrap().iter().filter(|m| **m == true).count(), 2);
    let logs = evaluated["log_probs"].as_array().unwrap();
    let total: f64 = logs.iter().filter_map(Value::as_f64).map(f64::exp).sum();
    assert!((total - 1.0).abs() < 1e-6, "{evaluated}");
    // The ones of the board: tile t in place p is the bit 4 p + t.
    let observation = json!([1, 4, 10, 15]);
    let observed = ask(&agent, &json!({"call": "evaluate", "observation": observation}));
    assert_eq!(
        (&observed["logits"], &observed["value"]),
        (&evaluated["logits"], &evaluated["value"])
    );
    let stepped = ask(&agent, &json!({"call": "step", "state": state, "action": 0}));
    assert_eq!((&stepped["state"], &stepped["solved"]), (&json!([0, 1, 2, 3]), &json!(true)));
    let text = ask(&agent, &json!({"call": "render", "state": state}));
    assert!(text["text"].as_str().unwrap().contains('1'));
}

#[test]
fn actions_of_numbers_are_lists() {
    let agent = agent("Pendulum-v1", &json!({}), json!({}));
    let state = ask(&agent, &json!({"call": "scramble"}))["state"].clone();
    let step =
        |action: Value| ask(&agent, &json!({"call": "step", "state": state, "action": action}));
    assert_eq!(step(json!(0.5)), step(json!([0.5])));
    assert!(step(json!([0.5]))["reward"].as_f64().unwrap() <= 0.0);
    assert_eq!(step(json!([0.5, 1]))["error"], "action: expected 1 numbers, found 2");
    let record = ask(&agent, &json!({"state": state, "max_steps": 3, "search": "greedy"}));
    assert_eq!(record["solved"], Value::Null);
    assert_eq!(record["actions"].as_array().unwrap().len(), 3);
}

#[test]
fn descriptions_name_the_arithmetic_and_the_environment() {
    let described = ask(&puzzle(json!({"search": "beam=4"})), &json!({"call": "describe"}));
    assert_eq!(described["arithmetic"], "portable-1");
    assert_eq!(described["env_cls"], "Puzzle");
    assert_eq!(described["env"]["width"], 2);
    assert_eq!(described["solve"], json!({"search": "beam=4"}));
    assert_eq!(described["action_names"], json!(["left", "up", "right", "down"]));
    assert_eq!(described.get("env_error"), None);
}

#[test]
// long function: one case after the other
fn requests_that_cannot_be_answered_are_errors() {
    let agent = puzzle(json!({}));
    for (request, message) in [
        ("", "request: expected a JSON object"),
        ("[1, 0, 2, 3]", "request: expected a JSON object, found"),
        (
            r#"{"call": "slove"}"#,
            "call: expected one of solve, evaluate, step, describe, render, scramble, found \"slove\" (did you mean `solve`?)",
        ),
        (r#"{"call": 1}"#, "call: expected one of"),
        (r#"{"state": [0, 1], "state": [1, 0]}"#, "request: expected a JSON object"),
        (r#"{"state": [0, 1, 2]}"#, "state: expected"),
        (r#"{"state": "0 1 2 3"}"#, "state: expected a list of numbers"),
        (
            r#"{"state": [0, 1, 2, 3], "difficulty": 2}"#,
            "difficulty: expected none beside a state, found 2",
        ),
        (
            r#"{"difficulty": 1000000000000}"#,
            "difficulty: expected 0 to 1000000, found 1000000000000",
        ),
        (r#"{"difficulty": -1}"#, "difficulty: expected"),
        (r#"{"state": [0, 1, 2, 3], "seconds": 1}"#, "seconds: expected a limit in nodes instead"),
        (r#"{"state": [0, 1, 2, 3], "se_arch": "greedy"}"#, "se_arch: expected"),
        (
            r#"{"state": [0, 1, 2, 3], "search": "bem=4"}"#,
            "search: expected greedy, sample, best-of=N, mcts=N, gumbel=N, beam=W or widening=W",
        ),
        (
            r#"{"state": [0, 1, 2, 3], "search": "beam=4", "score": "both"}"#,
            "score: expected policy, value, mixed, or a finite number, found \"both\"",
        ),
        (
            r#"{"state": [0, 1, 2, 3], "objective": "cost"}"#,
            "objective: expected length or return, found \"cost\"",
        ),
        (
            r#"{"state": [0, 1, 2, 3], "invert": "twice"}"#,
            "invert: expected never or both, found \"twice\"",
        ),
        (
            r#"{"state": [1, 0, 2, 3], "invert": "both"}"#,
            "invert: expected never, since Puzzle tells no inverse problem of the state, found both",
        ),
        (r#"{"call": "evaluate"}"#, "state: expected a state or an observation, found neither"),
        (
            r#"{"call": "evaluate", "observation": [16]}"#,
            "observation: expected indices of ones below 16, found 16",
        ),
        (
            r#"{"call": "evaluate", "observation": [1e300]}"#,
            "observation: expected indices of ones below 16",
        ),
        (r#"{"call": "step", "state": [0, 1, 2, 3], "action": 4}"#, "action: expected"),
        (
            r#"{"call": "step", "state": [0, 1, 2, 3], "action": [0, 1]}"#,
            "action: expected 1 numbers, found 2",
        ),
        (r#"{"call": "render"}"#, "state: expected a list of numbers, found none"),
        (r#"{"call": "describe", "state": [0]}"#, "state: expected"),
    ] {
        let answer: Value = serde_json::from_str(&agent.answer(request.as_bytes())).unwrap();
        let found = answer["error"].as_str().unwrap();
        assert!(found.starts_with(message), "{request}: {found}");
    }
}

#[test]
fn policies_of_unknown_environments_solve_nothing() {
    let spec = Registry::default().make("CartPole-v1", &json!({})).unwrap();
    let sizes = MlpSizes {
        embedding_size: 4,
        common_layers: vec![4],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Relu,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    let policy = Policy::initial(network, "their.Env", json!({}), vec![], 0).unwrap();
    let payload = payload::write(&policy, None, &SolveOptions::default()).unwrap();
    let agent = Agent::open(&payload, &Registry::default()).unwrap();
    agent.self_test().unwrap();
    let solved = ask(&agent, &json!({"state": [0, 0, 0, 0]}));
    assert!(solved["error"].as_str().unwrap().starts_with("env_cls: "), "{solved}");
    let evaluated = ask(&agent, &json!({"call": "evaluate", "observation": [0.1, 0, -0.2, 0]}));
    assert_eq!(evaluated["logits"].as_array().unwrap().len(), 2, "{evaluated}");
}
