"""Evolution strategies whose members play in lock step on an accelerator."""

from max.gpu.host import DeviceContext

from twisterl.algorithms.es.es import Es, PopulationBackend
from twisterl.algorithms.es.population import PopulationRollout
from twisterl.algorithms.iteration import Iteration
from twisterl.env.environment import Environment

from .forward import DeviceExecutor


struct DeviceBackend(PopulationBackend):
    """An accelerator on which all members play at once; the threads of the processor if the machine has none."""

    var device: Optional[DeviceExecutor]
    """Created by the first iteration, which brings the network."""

    def __init__(out self) raises:
        """Creates a backend without an executor."""
        self.device = None

    def ask[E: Environment](mut self, mut es: Es[E], iteration: Iteration) raises:
        """Plays the episodes of all members and stores them in `es`."""
        if DeviceContext.number_of_devices() == 0:
            es.ask(iteration)
            return
        if not self.device:
            self.device = DeviceExecutor(DeviceContext(), es.executor)
        ask_device(self.device.value(), es, iteration)


def ask_device[E: Environment](mut device: DeviceExecutor, mut es: Es[E], iteration: Iteration) raises:
    """Plays the episodes of all members on a device and stores them in `es`."""
    var pairs = es.config.es.population // 2
    var key = es.key(iteration)
    var sigma = es.sigma(iteration).cast[DType.float32]()
    device.load(es.executor)
    device.perturb(es.layout, key, pairs, es.config.es.num_episodes, sigma, es.threads)
    var rollout = PopulationRollout[E](es.env, es.config.es, key)
    var starts = es.starts(iteration)
    for member in range(2 * pairs):
        rollout.begin(member // 2, starts)
    rollout.play(device, es.executor)
    es.set_episodes(rollout.episodes.copy())
