"""`RLSynthesis`: an environment of circuits, an algorithm and a policy, with the interface of `qiskit-gym`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisterl import _core, rl
from twisterl._internal.arguments import within
from twisterl._internal.problems import read_json
from twisterl._internal.written import written
from twisterl.errors import ConfigError, FileError, UsageError
from twisterl.nn.policy import BasicPolicy, Conv1dPolicy
from twisterl.quantum.envs.synthesis import SYNTH_ENVS, SynthesisGym
from twisterl.quantum.rl.configs import ALGORITHMS, POLICIES
from twisterl.quantum.rl.pt import write_pt
from twisterl.quantum.search import best_solution

__all__ = ["RLSynthesis", "gate_list_to_circuit"]

_Path = str | os.PathLike[str]
_ALGORITHMS: dict[str, type[rl.Algorithm]] = {"AZ": rl.AZ, "PPO": rl.PPO}
_NETWORKS: dict[str, type[BasicPolicy]] = {"BasicPolicy": BasicPolicy, "Conv1dPolicy": Conv1dPolicy}


class RLSynthesis:
    """Synthesis of circuits by a policy that is trained on an environment.

    Attributes:
        env: the environment.
        env_config: its parameters.
        rl_config: the config of the algorithm.
        model_config: the config of the policy.
        algorithm: the algorithm object; see `twisterl.rl`.
    """

    def __init__(self, env: Any, rl_config: Any, model_config: Any, model_path: _Path | None = None) -> None:
        """Put the parts together.

        Args:
            env: an environment of `twisterl.quantum.envs`; those of `qiskit-gym` are made anew.
            rl_config: a `PPOConfig` or an `AlphaZeroConfig`.
            model_config: a `BasicPolicyConfig` or a `Conv1dPolicyConfig`.
            model_path: a `.pt` or `.safetensors` file with weights to begin with.

        Raises:
            ConfigError: a config is wrong.
            CheckpointError: the weights do not fit.
        """
        self.env = _ours(env)
        self.env_config = self.env.to_json()
        self.rl_config, self.model_config = rl_config, model_config
        self.algorithm_cls: type[rl.Algorithm] = _named("rl_config.algorithm_cls", rl_config, _ALGORITHMS)
        self.model_cls: type[BasicPolicy] = _named("model_config.policy_cls", model_config, _NETWORKS)
        self.algorithm = self.init_algorithm(model_path)

    @classmethod
    def from_config_json(cls, config_path: _Path, model_path: _Path | None = None) -> RLSynthesis:
        """Return the synthesis of a config file, such as `save` writes, and of a file of weights."""
        config = read_json(Path(config_path))
        env_class = SYNTH_ENVS[_short("env_cls", config, SYNTH_ENVS)]
        rl_class = ALGORITHMS[_short("algorithm_cls", config, ALGORITHMS)]
        model_class = POLICIES[_short("policy_cls", config, POLICIES)]
        sections = {name: config.get(name, {}) for name in ("env", "algorithm", "policy")}
        for name, section in sections.items():
            if not isinstance(section, Mapping):
                raise ConfigError(f"{name}: expected an object, found {section!r:.60}")
        env = env_class.from_json(sections["env"])
        rl_config, model_config = rl_class.from_json(sections["algorithm"]), model_class.from_json(sections["policy"])
        return cls(env, rl_config, model_config, model_path)

    def to_json(self) -> dict[str, Any]:
        """Return the config."""
        return {
            "env_cls": f"qiskit_gym.envs.synthesis.{self.env.cls_name}",
            "env": self.env_config,
            "policy_cls": self.model_config.policy_cls,
            "policy": self.model_config.to_json(),
            "algorithm_cls": self.rl_config.algorithm_cls,
            "algorithm": self.rl_config.to_json(),
        }

    def save(self, config_path: _Path, model_path: _Path | None = None) -> None:
        """Write the config, and the weights as a `.pt` file that `torch.load` reads."""
        config = json.loads(written(self.to_json()))
        try:
            Path(config_path).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
            if model_path is not None:
                write_pt(model_path, self.algorithm.policy.state_dict())
        except OSError as error:
            raise FileError(f"{error.filename}: cannot write: {error.strerror}") from error

    def init_algorithm(self, model_path: _Path | None = None) -> rl.Algorithm:
        """Return a new algorithm, whose policy has the weights in a file, or random ones."""
        obs_perms, act_perms = self.env.twists()
        network = self.model_cls(
            self.env.obs_shape(),
            self.env.num_actions(),
            **self.model_config.to_json(),
            obs_perms=obs_perms,
            act_perms=act_perms,
        )
        if model_path is not None:
            network.load_state_dict(_core.read_tensors(model_path))
        return self.algorithm_cls(self.env._raw_env, network, self.rl_config.to_json())

    def synth(
        self,
        input: Any,
        deterministic: bool = False,
        num_searches: int = 100,
        num_mcts_searches: int = 0,
        C: float = 2**0.5,  # noqa: N803 (the name in qiskit-gym)
        max_expand_depth: int = 1,
        **options: Any,
    ) -> Any:
        """Return a `QuantumCircuit` for a target, or None if none was found.

        The circuit is checked: it makes the target, signs of Paulis included. That of a `QuantumCircuit` of at most 12
        qubits has its global phase, too.

        Args:
            input: a circuit, a `Clifford`, a list of qubits, ...; see `twisterl.quantum.target_of`.
            deterministic: follow the policy greedily. If that finds no solution, the search does.
            num_searches: effort of the search: the number of partial circuits that two beams keep, one for the target
                and one for its inverse. They find better circuits than as many samples in less time. If they find none,
                as many samples are tried.
            num_mcts_searches: simulations a gate of tree search, which takes the place of the beam.
            C: exploration constant of tree search.
            max_expand_depth: nodes added by one simulation.
            **options: keywords of `Policy.solve_batch`, such as `search="best-of=100"` or `seconds=0.1`.

        Raises:
            UsageError: the input is no target of the environment.
        """
        target = self.env.target(input)
        policy = self.algorithm._native()
        tree = {"num_mcts_searches": num_mcts_searches, "C": C, "max_expand_depth": max_expand_depth}
        actions = best_solution(policy, target.state(), deterministic, num_searches, tree, options)
        return None if actions is None else self.env.build_circuit_from_solution(actions, input)

    def learn(self, initial_difficulty: int = 1, num_iterations: int = int(1e10), tb_path: _Path | None = None) -> None:
        """Train. Ctrl-C ends it, with what was learnt so far.

        Args:
            initial_difficulty: the difficulty to begin with.
            num_iterations: the number of iterations.
            tb_path: the folder of the run, with its checkpoints and events for TensorBoard.
        """
        if tb_path is not None:
            self.algorithm.run_path = tb_path
        count = within("num_iterations", num_iterations, 0, 10**12)
        self.env.difficulty = initial_difficulty
        try:
            self.algorithm.learn(count)
        except KeyboardInterrupt:
            return


def gate_list_to_circuit(gate_list: Any, num_qubits: int | None = None) -> Any:
    """Return the circuit of gates, each as its name and its qubits."""
    from twisterl.quantum.circuits import circuit_of

    size = max(max(qubits) for _, qubits in gate_list) + 1 if num_qubits is None else num_qubits
    return circuit_of(gate_list, size)


def _ours(env: Any) -> SynthesisGym:
    if isinstance(env, SynthesisGym):
        return env
    kind, config = getattr(env, "cls_name", None), getattr(env, "config", None)
    if kind in SYNTH_ENVS and isinstance(config, Mapping):
        made: SynthesisGym = SYNTH_ENVS[kind].from_json(config)
        return made
    raise UsageError(f"env: expected an environment of twisterl.quantum.envs, found {type(env).__name__} {env!r:.60}")


def _named(name: str, config: Any, known: Mapping[str, Any]) -> Any:
    """Return the class that a config names."""
    if isinstance(config, type):
        raise ConfigError(f"{name.partition('.')[0]}: expected a config such as {config.__name__}(), found the class")
    short = str(getattr(config, name.partition(".")[2], "")).rpartition(".")[2]
    if short not in known:
        raise ConfigError(f"{name}: expected one of {', '.join(known)}, found {short!r:.60} of {type(config).__name__}")
    return known[short]


def _short(key: str, config: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return the name of a class in a config file, without its module."""
    short = str(config.get(key, "")).rpartition(".")[2]
    short = {"PauliNetwork": "PauliNetworkEnv"}.get(short, short)
    if key == "env_cls" and short not in known and f"{short}Env" in known:
        short = f"{short}Env"
    if short not in known:
        raise ConfigError(f"{key}: expected one of {', '.join(known)}, found {config.get(key)!r:.80}")
    return short
