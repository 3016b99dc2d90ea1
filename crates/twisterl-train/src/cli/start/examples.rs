//! Examples in the help of each command.

use clap::Command;

/// The name of the program in the examples, which the help replaces by the one that the user called.
const NAME: &str = "twisterl-train";

/// The examples of the program itself.
const PROGRAM: &str = "\
Examples:
  twisterl-train envs                                  environments and their parameters
  twisterl-train train examples/ppo_puzzle8_v1.json    train; the run goes into runs/ppo_puzzle8_v1
  twisterl-train evaluate runs/ppo_puzzle8_v1          how well it solves scrambles
  twisterl-train solve runs/ppo_puzzle8_v1 --state 8,7,5,3,2,0,4,6,1
  twisterl-train plot runs/ppo_puzzle8_v1              figures
  twisterl-train new my-env                            a crate with an environment of your own
";

/// The two programs.
const PROGRAMS: &str = "
The program of the Python package (`twisterl`, `python -m twisterl`) and the Rust program (`twisterl-train`) have the same
commands. Only the first draws (plot, record), works with Qiskit (quantum) and knows environments written in Python; only a
Rust program, this one or that of your own crate, runs without Python. Each command describes its options with --help.";

/// The commands with their examples.
const COMMANDS: [(&str, &str); 15] = [
    (
        "train",
        "\
Examples:
  twisterl-train train config.json
  twisterl-train train config.json --num-steps 200 --seed 1 --run-path runs/seed-1
  twisterl-train train config.json --set algorithm.optimizer.lr=0.001 --set env.width=4
  twisterl-train train --resume runs/config --num-steps 400
  twisterl-train train harder.json --load-checkpoint runs/config

docs/config.md describes the fields of configs, `twisterl-train schema` prints their schema.",
    ),
    (
        "evaluate",
        "\
Examples:
  twisterl-train evaluate runs/config                           1,000 scrambles
  twisterl-train evaluate runs/config --difficulty 20 --greedy
  twisterl-train evaluate runs/config --states boards.txt --search beam=64 --json",
    ),
    (
        "solve",
        "\
Examples:
  twisterl-train solve runs/config --state 8,7,5,3,2,0,4,6,1
  twisterl-train solve runs/config --state 8,7,5,3,2,0,4,6,1 --search mcts=100
  twisterl-train solve runs/config --states boards.txt --json     a record of each line of a file",
    ),
    (
        "compare",
        "\
Examples:
  twisterl-train compare runs/config --states boards.txt --search greedy,beam=64,mcts=100",
    ),
    (
        "convert",
        "\
Examples:
  twisterl-train convert runs/config policy.safetensors
  twisterl-train convert checkpoint.pt policy.safetensors --config config.json",
    ),
    (
        "bundle",
        "\
Examples:
  twisterl-train bundle runs/config -o agent.wasm                        for browsers, Node.js, Python
  twisterl-train bundle runs/config -o agent --search beam=64 --score 32   a program for Linux
  twisterl-train bundle runs/config -o agent.wasm --template my_env.wasm

The options of solving are kept in the file. docs/bundles.md describes its hosts and requests.",
    ),
    (
        "run",
        "\
Examples:
  twisterl-train run agent.wasm --state 8,7,5,3,2,0,4,6,1
  twisterl-train run agent.wasm --states boards.txt --json --search mcts=100
  twisterl-train run agent.wasm --request '{\"call\": \"describe\"}'",
    ),
    (
        "schema",
        "\
Example:
  twisterl-train schema > schema.json    and in a config: \"$schema\": \"schema.json\"",
    ),
    (
        "envs",
        "\
Examples:
  twisterl-train envs
  twisterl-train envs Puzzle
  twisterl envs my_module.MyEnv    an environment written in Python",
    ),
    (
        "env",
        "\
Examples:
  twisterl-train env info ./puzzle.wasm
  twisterl-train env publish ./puzzle.wasm --index environments
  twisterl-train env add Puzzle@1.0 --index environments     and in a config: \"env_cls\": \"wasm:Puzzle@1.0\"

docs/plugins.md describes modules and repositories.",
    ),
    (
        "check",
        "\
Examples:
  twisterl-train check Puzzle --set width=4 --set height=4
  twisterl-train check examples/ppo_puzzle8_v1.json
  twisterl check my_module.MyEnv    an environment written in Python",
    ),
    (
        "benchmark",
        "\
Examples:
  twisterl-train benchmark
  twisterl-train benchmark --seconds 20 --json",
    ),
    (
        "new",
        "\
Examples:
  twisterl-train new my-env                            with TwisteRL from its repository
  twisterl-train new my-env --twisterl ../twisterl     with a local checkout of it",
    ),
    (
        "completions",
        "\
Examples:
  twisterl-train completions bash > ~/.local/share/bash-completion/completions/twisterl-train
  twisterl-train completions zsh > ~/.zfunc/_twisterl-train
  twisterl-train completions fish > ~/.config/fish/completions/twisterl-train.fish",
    ),
    (
        "man",
        "\
Examples:
  twisterl-train man | man -l -
  twisterl-train man solve > twisterl-train-solve.1",
    ),
];

/// Returns `command` with examples for the program that is called `name`.
pub(in crate::cli) fn add(command: Command, name: &str) -> Command {
    let with_name = |text: &str| text.replace(NAME, name);
    let about = format!("{}{PROGRAMS}", with_name(PROGRAM));
    command.after_help(about).mut_subcommands(|command| {
        let examples = COMMANDS.iter().find(|(name, _)| *name == command.get_name());
        match examples {
            Some((_, text)) => command.after_help(with_name(text)),
            None => command,
        }
    })
}
