"""The configs of `qiskit-gym`: flat dataclasses, which become the sections `algorithm` and `policy` of a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from twisterl._internal.arguments import flag, whole
from twisterl.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ALGORITHMS",
    "POLICIES",
    "AlphaZeroConfig",
    "BasicPolicyConfig",
    "Conv1dPolicyConfig",
    "EvalConfig",
    "PPOConfig",
]


def _least(name: str, value: Any, least: float, above: bool = False) -> None:
    """Raise an error for a number below a bound, or equal to it if it must be above."""
    try:
        fits = value > least if above else value >= least
    except TypeError:
        fits = False
    if not fits:
        raise ConfigError(
            f"{name}: expected {'more than ' if above else ''}{least:g}{'' if above else ' or more'}, "
            f"found {value!r:.60}"
        )


def _fraction(name: str, value: Any) -> None:
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"{name}: expected a number from 0 to 1, found {value!r:.60}")


def _widths(name: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{name}: expected a list of widths, found {value!r:.60}")
    for i, width in enumerate(value):
        _least(f"{name}[{i}]", whole(f"{name}[{i}]", width), 1)


def _section(name: str, data: Any) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name}: expected an object, found {type(data).__name__}")
    return data


@dataclass
class EvalConfig:
    """An evaluation.

    Attributes:
        num_episodes: episodes to play.
        deterministic: take the most likely action instead of sampling.
        num_searches: attempts a problem, of which the best one counts.
        num_mcts_searches: simulations a move of tree search; 0 is no tree search.
        num_cores: the most threads.
        C: exploration constant of tree search.
    """

    num_episodes: int = 100
    deterministic: bool = True
    num_searches: int = 1
    num_mcts_searches: int = 0
    num_cores: int = 32
    C: float = 1.41

    def validate(self) -> None:
        """Raise an error for a value out of range."""
        for name in ("num_episodes", "num_searches", "num_cores"):
            _least(name, getattr(self, name), 1)
        _least("num_mcts_searches", self.num_mcts_searches, 0)
        _least("C", self.C, 0, above=True)

    @classmethod
    def from_partial(cls, data: Mapping[str, Any] | None) -> EvalConfig:
        """Return the evaluation of an entry of `evals`; fields that are not in it have their defaults."""
        known = {each.name for each in fields(cls)}
        given = {} if not data else {name: value for name, value in _section("evals", data).items() if name in known}
        if "deterministic" in given:
            given["deterministic"] = flag("deterministic", given["deterministic"])
        return cls(**given)


# Fields by their section and their name in it, if that is another one.
_PLACES = {
    "num_cores": "collecting",
    "num_episodes": "collecting",
    "num_mcts_searches": "collecting",
    "C": "collecting",
    "max_expand_depth": "collecting",
    "gae_lambda": "collecting.lambda",
    "gamma": "collecting",
    "num_epochs": "training",
    "vf_coef": "training",
    "ent_coef": "training",
    "clip_ratio": "training",
    "normalize_advantage": "training",
    "diff_threshold": "learning",
    "diff_max": "learning",
    "diff_metric": "learning",
    "lr": "optimizer",
    "log_freq": "logging",
    "checkpoint_freq": "logging",
}


def _place(name: str) -> tuple[str, str]:
    section, _, other = _PLACES[name].partition(".")
    return section, other or name


class _Config:
    """The methods of all configs of algorithms."""

    # By name, the checks of fields.
    _checks: ClassVar[dict[str, Any]]
    evals: dict[str, EvalConfig]
    diff_metric: str

    def validate(self) -> None:
        """Raise an error for a value out of range."""
        for name, check in self._checks.items():
            check(name, getattr(self, name))
        for name, entry in self.evals.items():
            try:
                entry.validate()
            except ConfigError as error:
                raise ConfigError(f"evals.{name}.{error}") from error
        if self.diff_metric not in self.evals:
            raise ConfigError(f"diff_metric: expected one of {', '.join(self.evals)}, found {self.diff_metric!r:.60}")

    def with_updates(self, **changes: Any) -> Self:
        """Return a config with some fields changed."""
        return replace(self, **changes)  # type: ignore[type-var]

    def to_json(self) -> dict[str, Any]:
        """Return the section `algorithm` of a config."""
        self.validate()
        sections: dict[str, Any] = {}
        for each in fields(self):  # type: ignore[arg-type]
            if each.name in _PLACES:
                section, name = _place(each.name)
                sections.setdefault(section, {})[name] = getattr(self, each.name)
        sections["evals"] = {name: dict(vars(entry)) for name, entry in self.evals.items()}
        return sections

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the config of a section `algorithm`, or of a flat dict; unknown keys are ignored."""
        given: dict[str, Any] = {}
        _section("algorithm", data)
        for each in fields(cls):  # type: ignore[arg-type]
            if each.name not in _PLACES:
                continue
            section, name = _place(each.name)
            inner = _section(f"algorithm.{section}", data.get(section, {}))
            if name in inner or each.name in data:
                given[each.name] = inner.get(name, data.get(each.name))
        made = cls(**given)
        for name, entry in _section("algorithm.evals", data.get("evals", {})).items():
            made.evals[name] = EvalConfig.from_partial(entry)
        made.validate()
        return made


def _one(name: str, value: Any) -> None:
    _least(name, value, 1)


def _positive(name: str, value: Any) -> None:
    _least(name, value, 0, above=True)


_SHARED = {
    "num_cores": _one,
    "num_episodes": _one,
    "num_epochs": _one,
    "lr": _positive,
    "diff_threshold": _fraction,
    "diff_max": _one,
    "log_freq": _one,
    "checkpoint_freq": _one,
}


def _evals(searching: bool) -> dict[str, EvalConfig]:
    found = {"ppo_deterministic": EvalConfig(), "ppo_10": EvalConfig(deterministic=False, num_searches=10)}
    return {**found, "mcts_100": EvalConfig(num_mcts_searches=100)} if searching else found


@dataclass
class PPOConfig(_Config):
    """The config of PPO. Fields are those of docs/config.md; `gae_lambda` is `lambda` there."""

    _checks: ClassVar[dict[str, Any]] = {
        **_SHARED,
        "gae_lambda": _fraction,
        "gamma": _fraction,
        "clip_ratio": _positive,
    }

    num_cores: int = 32
    num_episodes: int = 1024
    gae_lambda: float = 0.995
    gamma: float = 0.995
    num_epochs: int = 10
    vf_coef: float = 0.8
    ent_coef: float = 0.01
    clip_ratio: float = 0.1
    normalize_advantage: bool = False
    lr: float = 3e-4
    diff_threshold: float = 0.85
    diff_max: int = 256
    diff_metric: str = "ppo_deterministic"
    evals: dict[str, EvalConfig] = field(default_factory=lambda: _evals(False))
    log_freq: int = 1
    checkpoint_freq: int = 10
    algorithm_cls: str = "twisterl.rl.PPO"


@dataclass
class AlphaZeroConfig(_Config):
    """The config of AlphaZero. Fields are those of docs/config.md."""

    _checks: ClassVar[dict[str, Any]] = {**_SHARED, "num_mcts_searches": _one, "C": _positive, "max_expand_depth": _one}

    num_cores: int = 32
    num_episodes: int = 128
    num_mcts_searches: int = 1000
    C: float = 1.41
    max_expand_depth: int = 1
    num_epochs: int = 10
    lr: float = 3e-4
    diff_threshold: float = 0.85
    diff_max: int = 256
    diff_metric: str = "mcts_100"
    evals: dict[str, EvalConfig] = field(default_factory=lambda: _evals(True))
    log_freq: int = 1
    checkpoint_freq: int = 10
    algorithm_cls: str = "twisterl.rl.AZ"


class _PolicyConfig:
    """The methods of all configs of policies."""

    policy_cls: str

    def validate(self) -> None:
        """Raise an error for a value out of range."""
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if each.name.endswith("_layers"):
                _widths(each.name, value)
            elif each.name != "policy_cls":
                _least(each.name, whole(each.name, value), each.name == "embedding_size")

    def with_updates(self, **changes: Any) -> Self:
        """Return a config with some fields changed."""
        return replace(self, **changes)  # type: ignore[type-var]

    def to_json(self) -> dict[str, Any]:
        """Return the section `policy` of a config."""
        self.validate()
        values = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        del values["policy_cls"]
        return {name: list(value) if isinstance(value, (list, tuple)) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the config of a section `policy`; unknown keys are ignored."""
        known = {each.name for each in fields(cls)}  # type: ignore[arg-type]
        made = cls(**{name: value for name, value in _section("policy", data).items() if name in known})
        made.validate()
        return made


@dataclass
class BasicPolicyConfig(_PolicyConfig):
    """The config of a multi-layer perceptron: widths of the embedding, of the shared layers, and of both heads."""

    embedding_size: int = 512
    common_layers: list[int] = field(default_factory=lambda: [256])
    policy_layers: list[int] = field(default_factory=list)
    value_layers: list[int] = field(default_factory=list)
    policy_cls: str = "twisterl.nn.BasicPolicy"


@dataclass
class Conv1dPolicyConfig(_PolicyConfig):
    """The config of a perceptron whose embedding is a convolution along an axis of the observation."""

    conv_dim: int = 1
    embedding_size: int = 1260
    common_layers: list[int] = field(default_factory=lambda: [256])
    policy_layers: list[int] = field(default_factory=list)
    value_layers: list[int] = field(default_factory=list)
    policy_cls: str = "twisterl.nn.Conv1dPolicy"


ALGORITHMS: dict[str, type[PPOConfig] | type[AlphaZeroConfig]] = {"AZ": AlphaZeroConfig, "PPO": PPOConfig}
POLICIES: dict[str, type[BasicPolicyConfig] | type[Conv1dPolicyConfig]] = {
    "BasicPolicy": BasicPolicyConfig,
    "Conv1dPolicy": Conv1dPolicyConfig,
}
