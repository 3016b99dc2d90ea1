"""Models in Qiskit's compiler: plugins of HighLevelSynthesis, passes that replace parts of circuits, and routing."""

from twisterl.quantum.compiler.passes import OptimizationPlugin, ResynthesizeBlocks
from twisterl.quantum.compiler.plugins import (
    CliffordPlugin,
    LinearFunctionPlugin,
    PauliEvolutionPlugin,
    PermutationPlugin,
)
from twisterl.quantum.compiler.routing import RouteByModels, RoutingPlugin

__all__ = [
    "CliffordPlugin",
    "LinearFunctionPlugin",
    "OptimizationPlugin",
    "PauliEvolutionPlugin",
    "PermutationPlugin",
    "ResynthesizeBlocks",
    "RouteByModels",
    "RoutingPlugin",
]
