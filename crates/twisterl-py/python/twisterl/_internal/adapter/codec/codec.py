"""The forms that an environment gives observations and takes actions in, and those of the trainer."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from twisterl._internal.adapter.codec import actions, encoding, stacked, states
from twisterl._internal.adapter.codec.encoding import Description
from twisterl._internal.adapter.reading.masks import MaskReader, given_mask
from twisterl._internal.adapter.reading.misread import MisreadError
from twisterl.errors import ActionError, ObservationError, StateError

VERSION = 1
_ADVICE = " (for a batch of observations, use act_batch or predict_batch)"
# The types of numbers that every reader of a policy has.
_DTYPES = {"bool", *(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64))} - {"float8"}


class Codec:
    """Encodes observations and decodes actions, by the spaces that an environment declares.

    Attributes:
        encodes: True if observations are not in the trainer's form as the environment gives them.
        decodes: True if actions are not as a policy has them without their description.
        takes_indices: True if actions counted from 0 cannot be mistaken for the environment's own.
        sparse: True if encoded observations are zeros and ones, given by the indices of the ones.
        shape: the shape of an encoded observation.
        encode: returns an observation in the trainer's form: the indices of the ones, or a flat array.
        decode: returns an action of the trainer as the environment takes it.
        mask_key: the entry of observations that is their action mask, None if they have none.
        mask_reader: reads action masks.
    """

    def __init__(
        self,
        observation: Description,
        action: Description,
        mask_key: str | None = None,
        source: str = encoding.SOURCE,
    ) -> None:
        self.observation = observation
        self.action = action
        self.mask_key = mask_key
        self.sparse, self.shape, self.encode = encoding.encoder_beside_mask(observation, mask_key, source)
        self.decode = actions.decoder(action)
        self.encodes = mask_key is not None or not encoding.is_encoded(observation)
        self.decodes = not actions.is_decoded(action)
        self.takes_indices = actions.takes_indices(action)
        counts = actions.counts(action)
        start = actions.first_number(action) if len(counts) == 1 else 0
        self.mask_reader = MaskReader(actions.choices(action), counts, start)
        self._read_action = actions.reader(action)

    @classmethod
    def from_json(cls, text: str) -> Codec:
        """Return the codec of the spaces in a policy, which have been checked."""
        spaces = json.loads(text)
        return cls(spaces["observation"], spaces["action"], spaces.get("mask"))

    def to_json(self) -> str | None:
        """Return the spaces as policies carry them; None if plain data cannot describe them."""
        if not (_is_plain(self.observation) and _is_plain(self.action)):
            return None
        spaces = {"version": VERSION, "observation": self.observation, "mask": self.mask_key, "action": self.action}
        try:
            text = json.dumps(spaces, ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError:  # of halves of surrogate pairs
            return None
        return text

    def read(self, seen: Any, name: str = encoding.SOURCE) -> tuple[Any, list[Any] | None]:
        """Return an observation that a caller gives in the trainer's form, and the mask within it.

        An array of single precision with one value for each place of an encoded observation is taken as encoded, if it
        is not in the space itself.

        Args:
            seen: the observation.
            name: the name of the observation in messages.

        Raises:
            ObservationError: it is none of the environment.
        """
        key = self.mask_key
        try:
            encoded = self.encode(seen)
            return encoded, None if key is None else self.mask_reader(seen[key], f"{encoding.SOURCE}[{key!r}]")
        except MisreadError as error:
            if _is_encoded(seen, math.prod(self.shape)):
                return seen, None
            advice = _ADVICE if name == encoding.SOURCE and self._is_batch(seen) else ""
            message = f"{name}{str(error).removeprefix(encoding.SOURCE)}{advice}"
            raise ObservationError(message) from error.__cause__

    def _is_batch(self, seen: Any) -> bool:
        """Return True for what looks like a stacked batch."""
        if isinstance(seen, np.ndarray):
            return seen.ndim > 0 and list(seen.shape[1:]) == self.observation.get("shape", [])
        try:
            return stacked.rows(self.observation, self.mask_key, seen) is not None
        except MisreadError:
            return False

    def state(self, given: Any) -> Any:
        """Return a state of plain numbers for one that a caller gives as an observation: a dict, a tuple, or a number.

        Other states are returned as they are: a row of numbers may be an observation as well.

        Raises:
            StateError: it is no observation of the environment.
        """
        is_tuple = isinstance(given, tuple) and self.observation["type"] == "tuple"
        if not (isinstance(given, dict) or is_tuple or (np.isscalar(given) and not isinstance(given, (str, bytes)))):
            return given
        try:
            return self.numbers(given)
        except MisreadError as error:
            raise StateError(str(error)) from error.__cause__

    def numbers(self, seen: Any) -> list[Any]:
        """Return the numbers of an observation, as a state.

        Raises:
            MisreadError: it is no observation.
        """
        return states.numbers(self.observation, seen)

    def observation_of(self, state: list[float]) -> Any:
        """Return the observation whose numbers are a state, without a mask.

        Raises:
            MisreadError: there is none.
        """
        return states.observation(self.observation, state)

    def rows(self, batch: Any) -> list[Any] | None:
        """Return the observations of a stacked batch, None if it is not stacked but a sequence of observations.

        Raises:
            ObservationError: its parts do not fit each other.
        """
        try:
            return stacked.rows(self.observation, self.mask_key, batch)
        except MisreadError as error:
            raise ObservationError(str(error)) from error.__cause__

    def read_mask(self, mask: Any) -> list[bool]:
        """Return a mask that a caller gives as a list of booleans.

        Raises:
            ObservationError: it is none of the environment's actions.
        """
        return given_mask(self.mask_reader, mask)

    def read_action(self, action: Any) -> tuple[list[int], list[float]]:
        """Return the choices and the real numbers of an action that a caller gives as the environment takes it.

        Raises:
            ActionError: it is none of the environment.
        """
        try:
            return self._read_action(action)
        except MisreadError as error:
            raise ActionError(str(error)) from error.__cause__

    def stack(self, actions_taken: list[Any]) -> Any:
        """Return actions as a vector environment of Gymnasium takes them."""
        return actions.stack(self.action, actions_taken)


def _is_encoded(seen: Any, size: int) -> bool:
    """Return True for an array of single precision that can only be an encoded observation."""
    return isinstance(seen, np.ndarray) and seen.dtype == np.float32 and seen.shape == (size,)


def _is_plain(space: Description) -> bool:
    """Return True if JSON can hold a description."""
    if space["type"] == "other" or space.get("dtype", "bool") not in _DTYPES:
        return False
    below = encoding.parts(space)
    named = all(isinstance(key, str) for key, _ in below) or space["type"] != "dict"
    return named and all(_is_plain(part) for _, part in below)
