"""Training over processes and machines: `twisterl.train(config, engine=twisterl.spread.Processes(4))`.

The head of a run asks a question in each iteration, and an engine has its parts answered. `answer(config, question,
part)` is a pure function, which any worker can call at any time: any number of workers gives the bytes of a local run,
also if workers are lost, join late or answer twice.
"""

from twisterl._internal.processes.spread.engine import Engine, WorkerLostError, of
from twisterl._internal.processes.spread.local import Processes
from twisterl._internal.processes.spread.over_ray import Ray
from twisterl._internal.processes.spread.worker import answer

__all__ = ["Engine", "Processes", "Ray", "WorkerLostError", "answer", "of"]
