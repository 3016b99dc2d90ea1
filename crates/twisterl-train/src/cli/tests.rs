#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use twisterl_core::solve::{BeamScore, Invert, Method, Objective, SymmetryUse};

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("twisterl-train").chain(args.iter().copied()))
}

/// Returns the output of a command and its exit code.
fn run(args: &[&str]) -> Result<(String, Exit), String> {
    let cli = parse(args).map_err(|e| e.to_string())?;
    let Output { text, exit } =
        execute(cli, NAME, (&Registry::default(), &Engines::new(own_engine)), &Stop::default())
            .map_err(|e| e.to_string())?;
    Ok((text, exit))
}

fn exit(args: &[&str]) -> u8 {
    let args = std::iter::once("twisterl-train").chain(args.iter().copied());
    run_from(args.map(OsString::from), &Registry::default(), None).0
}

/// Writes a config that trains in milliseconds and returns its path.
fn write_config(folder: &Path) -> String {
    let path = folder.join("small.json");
    let config = json!({
        "env_cls": "twisterl.envs.Puzzle",
        "env": {"width": 2, "height": 2, "difficulty": 4, "max_depth": 16},
        "policy": {"embedding_size": 16, "common_layers": [8]},
        "algorithm": {
            "collecting": {"num_episodes": 32},
            "training": {"num_epochs": 2},
            "evals": {"ppo_deterministic": {"num_episodes": 10}},
        },
    });
    fs::write(&path, config.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_definition_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn the_peers_spelling_is_accepted() {
    let ours = ["c.json", "--run-path", "r", "--num-steps", "5", "--load-checkpoint", "w"];
    let peers = [
        "--config",
        "c.json",
        "--run_path",
        "r",
        "--num_steps",
        "5",
        "--load_checkpoint_path",
        "w",
    ];
    let (ours, peers) = (parse(&ours).unwrap().train, parse(&peers).unwrap().train);
    let [ours, peers] = [ours, peers].map(|args| format!("{args:?}"));
    assert!(ours.contains(r#"config: Some("c.json"), config_flag: None, run_path"#), "{ours}");
    assert!(peers.contains(r#"config: None, config_flag: Some("c.json"), run_path"#), "{peers}");
    assert_eq!(ours.split_once("run_path").unwrap().1, peers.split_once("run_path").unwrap().1);
}

#[test]
fn flags_of_solving_reach_the_plan_in_both_spellings() {
    let plan = |flags: &[&str]| {
        let args = [&["evaluate", "run"], flags].concat();
        let Some(Command::Evaluate(args)) = parse(&args).unwrap().command else { panic!() };
        args.plan().unwrap()
    };
    let tree = plan(&["--num_mcts_searches=9", "--C=2", "--max_expand_depth=3", "--max_steps=40"]);
    assert_eq!(
        tree,
        plan(&[
            "--num-mcts-searches=9",
            "--exploration=2",
            "--max-expand-depth=3",
            "--max-steps=40"
        ])
    );
    assert_eq!((tree.method.to_string().as_str(), tree.max_steps), ("mcts=9", Some(40)));
    let sampled = plan(&["--num_searches=5", "--no_backtracking", "--num_cores=1"]);
    assert_eq!(sampled, plan(&["--num-searches=5", "--no-backtracking", "--num-cores=1"]));
    assert_eq!((sampled.method.to_string().as_str(), sampled.backtracking), ("best-of=5", false));
    let beam = [
        "--search=beam=8",
        "--score=-2",
        "--twists=each",
        "--nodes=9",
        "--seconds=0.5",
        "--seed=3",
    ];
    let beam = plan(&beam);
    let score = BeamScore::Blend { weight: -2.0 };
    assert_eq!(beam.method, Method::Beam { width: 8, score });
    assert_eq!(
        (beam.symmetry_use, beam.nodes, beam.seconds),
        (SymmetryUse::Each, Some(9), Some(0.5))
    );
    assert_eq!((beam.seed, plan(&["--greedy"]).method), (3, Method::Greedy));
    assert_eq!(plan(&[]).method, Method::BestOf(1));
    let costs = plan(&["--search=beam=8", "--objective=return", "--invert=both"]);
    assert_eq!(costs.method, Method::Beam { width: 8, score: BeamScore::Mixed });
    assert_eq!((costs.objective, costs.invert), (Objective::Return, Invert::Both));
    assert_eq!((beam.objective, beam.invert), (Objective::Length, Invert::Never));
}

#[test]
fn invalid_arguments_are_refused() {
    for args in [
        &[][..],
        &["a.json", "b.json"],
        &["a.json", "--config", "b.json"],
        &["--resume", "run", "a.json"],
        &["--resume", "run", "--run-path", "other"],
        &["--resume", "run", "--load-checkpoint", "other"],
        &["a.json", "--num-cores", "-2"],
        &["a.json", "--seed", "-1"],
        &["a.json", "--seed", "18446744073709551616"],
        &["a.json", "--num-steps", "-1"],
        &["a.json", "--set", "seed"],
        &["evaluate"],
        &["evaluate", "run", "--greedy", "--num-searches", "3"],
        &["evaluate", "run", "--search", "beam=16", "--greedy"],
        &["evaluate", "run", "--search", "beam=16", "--num-searches", "3"],
        &["evaluate", "run", "--search", "astar"],
        &["evaluate", "run", "--search", "beam=16", "--score", "both"],
        &["evaluate", "run", "--search", "beam=16", "--seconds", "0"],
        &["evaluate", "run", "--search", "beam=16", "--nodes", "0"],
        &["evaluate", "run", "--search", "beam=16", "--twists", "some"],
        &["evaluate", "run", "--search", "beam=16", "--objective", "cost"],
        &["evaluate", "run", "--search", "beam=16", "--invert", "yes"],
        &["evaluate", "run", "--num-searches", "3", "--num-mcts-searches", "3"],
        &["evaluate", "run", "--num-searches", "0"],
        &["evaluate", "run", "--num-mcts-searches", "0"],
        &["evaluate", "run", "--max-steps", "0"],
        &["evaluate", "run", "--num-cores", "4097"],
        &["evaluate", "run", "--leaves", "2"],
        &["evaluate", "run", "--exploration", "1"],
        &["evaluate", "run", "--search", "gumbel=4", "--exploration", "1"],
        &["evaluate", "run", "--search", "mcts=4", "--gamma", "2"],
        &["evaluate", "run", "--search", "mcts=4", "--leaves", "0"],
        &["evaluate", "run", "--search", "beam=4", "--no-backtracking"],
        &["evaluate", "run", "--states", "s.json", "--num-episodes", "3"],
        &["evaluate", "run", "--num-episodes", "99999999999"],
        &["solve", "run"],
        &["solve", "run", "--state", "1,x"],
        &["convert", "a"],
        &["bench"],
    ] {
        assert_eq!(exit(args), Exit::Usage as u8, "{args:?}");
    }
    assert_eq!(exit(&["--help"]), Exit::Done as u8);
    assert_eq!(exit(&["--version"]), Exit::Done as u8);
    assert_eq!(exit(&["no-such-config.json"]), Exit::Failed as u8);
    assert_eq!(exit(&["--resume", "no-such-run", "--set", "seed=1"]), Exit::Failed as u8);
    assert_eq!(exit(&["evaluate", "no-such-run"]), Exit::Failed as u8);
}

/// A finished run of [`write_config`] in a folder of its own.
struct FinishedRun {
    folder: tempfile::TempDir,
    /// The path of the run.
    run: String,
}

impl FinishedRun {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = write_config(folder.path());
        let path = folder.path().join("run").to_str().unwrap().to_owned();
        run(&[&config, "--run-path", &path, "--num-steps", "4", "--seed", "3", "--quiet"]).unwrap();
        Self { folder, run: path }
    }

    /// Returns the path of a file next to the run.
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn a_run_is_trained_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, run_path) = (write_config(folder.path()), path("run"));
    let args =
        [&config, "--run-path", &run_path, "--num-steps", "2", "--seed", "3", "--num-cores", "1"];
    let (text, exit) = run(&args).unwrap();
    assert_eq!(exit, Exit::Done);
    assert!(text.contains("2 iterations"), "{text}");
    assert!(text.contains("start"), "a solution is printed: {text}");
    assert!(run(&args).unwrap_err().contains("expected a new or empty folder"));
    let resolved: Value =
        serde_json::from_slice(&fs::read(path("run/config.json")).unwrap()).unwrap();
    assert_eq!((&resolved["seed"], &resolved["num_iterations"]), (&json!(3), &json!(2)));
    let resumed = run(&["--resume", &run_path, "--num-steps", "4", "--quiet"]).unwrap();
    assert_eq!(resumed, (String::new(), Exit::Done));
}

#[test]
fn a_run_is_evaluated_on_scrambles_and_on_states() {
    let finished = FinishedRun::new();
    let run_path = &finished.run;
    let evaluate = ["evaluate", run_path, "--num-episodes", "50", "--difficulty", "1", "--json"];
    let (text, _) = run(&evaluate).unwrap();
    let figures: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(figures["count"], 50);
    assert!(figures["solved"].as_u64().unwrap() >= 20, "{text}");

    let states = finished.path("states.json");
    fs::write(&states, r#"{"instances": [{"state": [1, 0, 2, 3], "optimal": 1}, [0, 1, 2, 3]]}"#)
        .unwrap();
    let (text, _) =
        run(&["evaluate", run_path, "--states", &states, "--num-searches", "64", "--json"])
            .unwrap();
    let figures: Value = serde_json::from_str(&text).unwrap();
    assert!(figures["seconds_per_state"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (&figures["solved"], &figures["mean_optimal"], &figures["optimal_fraction"]),
        (&json!(2), &json!(1.0), &json!(1.0)),
        "{text}"
    );
    fs::write(&states, "[[0, 1, 2, 3], [0, 2, 1, 3]]").unwrap();
    let refused = run(&["evaluate", run_path, "--states", &states]).unwrap_err();
    assert!(refused.contains("states.json: line 1, [1]: expected"), "{refused}");
}

#[test]
fn random_states_take_the_place_of_scrambles() {
    let finished = FinishedRun::new();
    let uniform = ["--num-episodes", "60", "--start", "uniform"];
    let beam = ["evaluate", &finished.run, "--json", "--search", "beam=16"];
    let (text, _) = run(&[&beam[..], &uniform[..]].concat()).unwrap();
    let figures: Value = serde_json::from_str(&text).unwrap();
    // The twelve boards are a ring, so that the farthest one is six moves away, beyond the difficulty of the config.
    assert_eq!(figures["solved"], 60);
    let longest = figures["lengths"].as_array().unwrap().last().unwrap();
    assert_eq!(longest["length"], 6, "{text}");
    let (text, _) = run(&[&beam[..], &uniform[..], &["--difficulty", "1"][..]].concat()).unwrap();
    let figures: Value = serde_json::from_str(&text).unwrap();
    assert!(figures["solved"].as_u64().unwrap() < 60, "{text}");
    let (text, _) = run(&[&["evaluate", &finished.run][..], &uniform[..]].concat()).unwrap();
    assert!(text.starts_with("60 uniformly random states, search"), "{text}");
    let compare = ["compare", &finished.run, "--search", "greedy", "--json"];
    let (text, _) = run(&[&compare[..], &uniform[..]].concat()).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["problems"], json!({"start": "uniform", "count": 60}));

    let refused = run(&["evaluate", &finished.run, "--start", "uniform", "--states", "x.json"]);
    assert!(refused.unwrap_err().contains("cannot be used with"));
}

#[test]
fn a_run_is_converted_and_solves_problems() {
    let finished = FinishedRun::new();
    let file = finished.path("policy.safetensors");
    run(&["convert", &finished.run, &file]).unwrap();
    for policy in [&finished.run, &file] {
        let (text, exit) = run(&["solve", policy, "--state", "1,0,2,3"]).unwrap();
        assert_eq!(exit, Exit::Done, "64 attempts find a solution of one move: {text}");
        assert!(text.starts_with("start") && text.ends_with("solved after 1 move\n"), "{text}");
        let refused = run(&["solve", policy, "--state", "1,0,2"]).unwrap_err();
        assert!(refused.starts_with("state: expected"), "{refused}");
    }
    // The beam holds all 12 boards, which makes the search exhaustive.
    let hard = ["solve", &file, "--state", "3,2,1,0", "--search", "beam=16", "--seconds", "60"];
    let mores = [
        &[][..],
        &["--score", "value"],
        &["--score", "0.5", "--twists", "each"],
        &["--objective", "return"],
    ];
    for more in mores {
        let (text, exit) = run(&[&hard[..], more].concat()).unwrap();
        assert_eq!(exit, Exit::Done, "{text}");
        assert!(text.contains("solved after 6 moves\n") && text.contains(" nodes, "), "{text}");
    }
    let greedy = ["solve", &file, "--state", "3,2,1,0", "--greedy"];
    let refused = run(&[&greedy[..], &["--score", "value"]].concat()).unwrap_err();
    let expected = "--score: expected search beam=W or widening=W with it, found greedy";
    assert!(refused.contains(expected), "{refused}");
    let (text, exit) = run(&[&greedy[..], &["--max-steps", "1"]].concat()).unwrap();
    assert_eq!(exit, Exit::Failed);
    assert!(text.ends_with("not solved after 1 move\n"), "{text}");
}

#[test]
fn schema_and_envs_are_printed() {
    let (schema, _) = run(&["schema"]).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&schema).unwrap()["required"], json!(["env_cls"]));
    let (envs, _) = run(&["envs"]).unwrap();
    assert!(envs.contains("\nPuzzle\n  parameters   width = 3\n"), "{envs}");
    assert!(envs.contains("               goal = \"blank_first\"\n  observation"), "{envs}");
    assert!(envs.contains("check        passed"), "{envs}");
    assert!(run(&["envs", "Chess"]).unwrap_err().contains("unknown environment \"Chess\""));
}

proptest! {
    #[test]
    fn arguments_never_panic(
        args in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "evaluate", "solve", "convert", "bench", "learner", "--config", "--set", "--state",
                    "--resume", "--num-cores", "--num_steps", "--seed", "--greedy", "--json", "--", "-q",
                ])
                .prop_map(OsString::from),
                "[-0-9a-z=.,\\[\\]]{0,12}".prop_map(OsString::from),
                ".{0,8}".prop_map(OsString::from),
            ],
            0..8,
        )
    ) {
        let _ = Cli::try_parse_from(std::iter::once("twisterl-train".into()).chain(args));
    }
}
