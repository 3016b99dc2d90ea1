"""Evolution strategies whose members play on an accelerator, all in lock step, where there is one."""

from max.gpu.host import DeviceContext

from twisterl.env import Environment
from twisterl.es import Asking, Es, Members
from twisterl.trainee import Iteration

from .forward import DeviceExecutor


struct OnDevice(Asking):
    """All members at once on an accelerator; pair by pair on the threads of the processor if the machine has none."""

    var device: Optional[DeviceExecutor]

    def __init__(out self) raises:
        """No executor yet: the first iteration brings the network."""
        self.device = None

    def ask[E: Environment](mut self, mut es: Es[E], iteration: Iteration) raises:
        """Plays the episodes of all members."""
        if DeviceContext.number_of_devices() == 0:
            es.ask(iteration)
            return
        if not self.device:
            self.device = DeviceExecutor(DeviceContext(), es.executor)
        ask_device(self.device.value(), es, iteration)


def ask_device[E: Environment](mut device: DeviceExecutor, mut es: Es[E], iteration: Iteration) raises:
    """Plays the episodes of all members on a device."""
    var pairs = es.config.es.population // 2
    var number = UInt64(iteration.number)
    var sigma = es.sigma(iteration).cast[DType.float32]()
    device.load(es.executor)
    device.perturb(es.layout, es.config.seed, number, pairs, es.config.es.num_episodes, sigma, es.threads)
    var members = Members[E](es.env, es.config.es, es.config.seed, number)
    var starts = es.starts(iteration)
    for member in range(2 * pairs):
        members.begin(member // 2, starts)
    members.play(device, es.executor)
    es.judge(members.episodes.copy())
