"""The environments of `qiskit-gym` by their names and with their methods, over the native ones."""

from twisterl.quantum.envs.synthesis import CliffordGym, LinearFunctionGym, PauliGym, PermutationGym

__all__ = ["CliffordGym", "LinearFunctionGym", "PauliGym", "PermutationGym"]
