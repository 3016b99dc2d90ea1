"""The adapter through which the trainer steps environments written in Python, with one call per batch.

Two interfaces are supported. *Gymnasium* environments have `observation_space`, `action_space`, `reset(seed=)` and a
`step` that returns five values. Masks come from `info["action_mask"]` or a method `action_masks()`, success from
`info["is_success"]`. *Plain* environments have the methods of the PyPI package `twisterl`: `reset`, `step` (or `next`),
`observe`, `is_final`, `reward` (or `value`), `num_actions`, `obs_shape`, and optionally `masks`, `success`,
`truncated`, `set_state`, `get_state`, `difficulty` and `twists`.
"""

from twisterl._internal.adapter.problem import Batch, Problem

__all__ = ["Batch", "Problem"]
