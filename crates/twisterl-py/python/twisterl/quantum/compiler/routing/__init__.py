"""Routing in Qiskit's compiler by models: SWAPs that bring the qubits of each gate next to each other."""

from twisterl.quantum.compiler.routing.passes import RouteByModels, RoutingPlugin
from twisterl.quantum.compiler.routing.search import Effort, routes_random_circuit

__all__ = ["Effort", "RouteByModels", "RoutingPlugin", "routes_random_circuit"]
