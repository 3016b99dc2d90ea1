"""Inference on an accelerator, of one policy or of a population of its perturbations: a batch of observations in,
logits and values out.
"""

from max.gpu.host import DeviceBuffer, DeviceContext
from std.math import ceildiv

from twisterl.algorithms.es.perturbation import PerturbationKey, PerturbationLayout
from twisterl.parallel import Job, run_all, unowned
from twisterl.policy.evaluator import Evaluation, Evaluator
from twisterl.policy.forward import Executor, padded

from .kernels import (
    ROWS,
    DeviceLayer,
    DevicePopulation,
    Floats,
    embed,
    embed_at,
    linear,
    linear_at,
    project,
    project_at,
    project_ones,
    project_ones_at,
)

comptime BLOCK_COLUMNS = 32
"""Threads of a block along the columns of the output."""
comptime BLOCK_ROWS = 8
"""Threads of a block along the rows of the output."""
comptime MAX_ROWS = 65_535 * BLOCK_ROWS
"""The most rows of a grid, and so of an evaluation."""


struct DeviceExecutor(Copyable, Evaluator):
    """A network whose weights, and perturbations of them, are in the memory of an accelerator."""

    var context: DeviceContext
    var on_host: Bool
    """True if the context is the processor's, where the positions of a kernel are computed one after the other."""
    var executor: Executor
    """The network and its weights on the host."""
    var weights: DeviceBuffer[DType.float32]
    """The weights in the layout of `Executor`."""
    var layout: PerturbationLayout
    var noise: DeviceBuffer[DType.float32]
    """The noise of all perturbations, `[pairs, layout.num_noise]`."""
    var pairs: Int
    """Pairs of members; 0 before `perturb`."""
    var per_member: Int
    """Environments of each member."""
    var sigma: Float32
    """The standard deviation of the perturbations."""
    var capacity: Int
    """Rows for which memory is allocated."""
    var ones: DeviceBuffer[DType.uint16]
    """Observations, `[rows, ones]`."""
    var members: DeviceBuffer[DType.int32]
    """The member of each row, `[rows]`."""
    var projections: DeviceBuffer[DType.float32]
    """See `DevicePopulation.projections`, `[rows, rank]`."""
    var features: DeviceBuffer[DType.float32]
    """The trunk's outputs, `[rows, padded outputs]`."""
    var left: DeviceBuffer[DType.float32]
    """Inputs or outputs of a layer."""
    var right: DeviceBuffer[DType.float32]
    """Inputs or outputs of a layer."""

    def __init__(out self, context: DeviceContext, executor: Executor) raises:
        """Copies the weights of `executor` to the device of `context`."""
        self.context = context
        self.on_host = context.api() == "cpu"
        self.executor = executor.copy()
        self.weights = context.enqueue_create_buffer[DType.float32](len(executor.weights))
        self.layout = PerturbationLayout(executor.network, 1)
        self.noise = context.enqueue_create_buffer[DType.float32](1)
        self.pairs = 0
        self.per_member = 1
        self.sigma = 0
        self.capacity = 0
        self.ones = context.enqueue_create_buffer[DType.uint16](1)
        self.members = context.enqueue_create_buffer[DType.int32](1)
        self.projections = context.enqueue_create_buffer[DType.float32](1)
        self.features = context.enqueue_create_buffer[DType.float32](1)
        self.left = context.enqueue_create_buffer[DType.float32](1)
        self.right = context.enqueue_create_buffer[DType.float32](1)
        self.load(executor)

    def load(mut self, executor: Executor) raises:
        """Replaces the weights by those of another executor of the same network."""
        self.executor.weights = executor.weights.copy()
        self.weights.enqueue_copy_from(self.executor.weights.unsafe_ptr())
        self.context.synchronize()

    def perturb(
        mut self,
        layout: PerturbationLayout,
        key: PerturbationKey,
        pairs: Int,
        per_member: Int,
        sigma: Float32,
        threads: Int,
    ) raises:
        """Draws a population of two members per pair, with `per_member` environments each. Raises for full
        perturbations.
        """
        if layout.rank == 0:
            raise Error("algorithm.es.rank: expected 1 or more on an accelerator, found 0 (full perturbations)")
        var draws = List[NoiseDraw](capacity=pairs)
        for pair in range(pairs):
            draws.append(NoiseDraw(key, UInt64(pair), unowned(layout)))
        run_all(draws, threads)
        var noise = List[Float32](capacity=pairs * layout.num_noise)
        for draw in draws:
            noise.extend(Span(draw.noise))
        if len(noise) > len(self.noise):
            self.noise = self.context.enqueue_create_buffer[DType.float32](len(noise))
        self.noise.create_sub_buffer[DType.float32](0, len(noise)).enqueue_copy_from(noise.unsafe_ptr())
        self.context.synchronize()
        _ = len(noise)  # keeps the noise alive until it is copied
        self.layout = layout.copy()
        self.pairs = pairs
        self.per_member = per_member
        self.sigma = sigma

    def evaluate(mut self, ones: Span[UInt16, _], rows: Int, mut out: Evaluation) raises:
        """Evaluates the observations `ones`, `[rows, ones]`, by the policy itself. Raises if one does not fit the
        network.
        """
        self.run(ones, List[Int32](length=rows, fill=0), 0, out)

    def evaluate_slots(mut self, ones: Span[UInt16, _], slots: List[Int], mut out: Evaluation) raises:
        """Evaluates one row for each of `slots`, the numbers of the environments of all members, each by its member.

        Raises before `perturb`, and if a slot or an observation does not fit.
        """
        if self.pairs == 0:
            raise Error("population: expected one, found none; call `perturb` before `evaluate_slots`")
        var members = List[Int32](capacity=len(slots))
        for slot in slots:
            var member = slot // self.per_member
            if slot < 0 or member >= 2 * self.pairs:
                raise Error(
                    "slot: expected a number from 0 to ", 2 * self.pairs * self.per_member - 1, ", found ", slot
                )
            members.append(Int32(member))
        self.run(ones, members, self.layout.rank, out)

    def run(mut self, ones: Span[UInt16, _], members: List[Int32], rank: Int, mut out: Evaluation) raises:
        """Evaluates one row for each of `members`, perturbed unless `rank` is 0."""
        var rows = len(members)
        var per_row = self.executor.network.ones_per_row(ones, rows)
        if rows > MAX_ROWS:
            raise Error("rows: expected at most ", MAX_ROWS, ", found ", rows)
        ref network = self.executor.network
        out.logits.resize(rows * network.actions, 0)
        out.values.resize(rows, 0)
        if rows == 0:
            return
        self.reserve(rows, per_row)
        self.ones.create_sub_buffer[DType.uint16](0, len(ones)).enqueue_copy_from(ones.unsafe_ptr())
        self.members.create_sub_buffer[DType.int32](0, rows).enqueue_copy_from(members.unsafe_ptr())
        if self.on_host:
            self.context.synchronize()  # the copies must be complete; kernels are ordered after them anyway
        self.embed(rows, per_row, rank)
        for layer in range(1, network.common):
            self.linear(layer, rows, rank, self.features, self.left)
            swap(self.features, self.left)
        var actions = network.actions
        var width = self.head(network.common, network.action, rows, rank)
        var heads = self.fetch(rows * width)
        for row in range(rows):
            for action in range(actions):
                out.logits[row * actions + action] = heads[row * width + action]
        if self.executor.fused_heads:
            for row in range(rows):
                out.values[row] = heads[row * width + actions]
            return
        var first = network.common + network.action
        width = self.head(first, len(network.layers) - first, rows, 0)
        heads = self.fetch(rows * width)
        for row in range(rows):
            out.values[row] = heads[row * width]

    def reserve(mut self, rows: Int, per_row: Int) raises:
        """Allocates memory for `rows` rows if there is not enough."""
        if rows * per_row > len(self.ones):
            self.ones = self.context.enqueue_create_buffer[DType.uint16](rows * per_row)
        if rows * self.layout.rank > len(self.projections):
            self.projections = self.context.enqueue_create_buffer[DType.float32](rows * self.layout.rank)
        if rows <= self.capacity:
            return
        var size = rows * self.executor.max_width
        self.members = self.context.enqueue_create_buffer[DType.int32](rows)
        self.features = self.context.enqueue_create_buffer[DType.float32](size)
        self.left = self.context.enqueue_create_buffer[DType.float32](size)
        self.right = self.context.enqueue_create_buffer[DType.float32](size)
        self.capacity = rows

    def fetch(self, count: Int) raises -> List[Float32]:
        """Waits for all work and returns the first `count` numbers of `left`."""
        var numbers = List[Float32](length=count, fill=0)
        self.left.create_sub_buffer[DType.float32](0, count).enqueue_copy_to(numbers.unsafe_ptr())
        self.context.synchronize()
        return numbers^

    def head(mut self, first: Int, count: Int, rows: Int, rank: Int) raises -> Int:
        """Applies `count` layers to the features and leaves the result in `left`. Returns its width."""
        self.linear(first, rows, rank, self.features, self.left)
        for layer in range(first + 1, first + count):
            self.linear(layer, rows, rank, self.left, self.right)
            swap(self.left, self.right)
        return self.executor.padded_width(first + count - 1)

    def population(self, rank: Int) -> DevicePopulation:
        """Returns the population as an argument for kernels."""
        return DevicePopulation(
            on_device(self.noise),
            on_device(self.members),
            on_device(self.projections),
            Int32(rank),
            Int32(self.layout.num_noise),
            self.sigma,
        )

    def embed(self, rows: Int, per_row: Int, rank: Int) raises:
        """Applies the embedding, into `features`."""
        var layer = device_layer(self.executor, self.layout, 0, on_device(self.weights))
        var population = self.population(rank)
        var ones = on_device(self.ones)
        if self.on_host:
            for row in range(rows):
                for r in range(rank):
                    project_ones_at(row, r, layer, population, ones, per_row)
                for column in range(Int(layer.width)):
                    embed_at(row, column, layer, population, ones, per_row, on_device(self.features))
            return
        if rank > 0:
            self.context.enqueue_function[project_ones](
                layer,
                population,
                ones,
                Int32(per_row),
                Int32(rows),
                grid_dim=(ceildiv(rows, BLOCK_COLUMNS), rank),
                block_dim=(BLOCK_COLUMNS, 1),
            )
        self.context.enqueue_function[embed](
            layer,
            population,
            ones,
            Int32(per_row),
            Int32(rows),
            on_device(self.features),
            grid_dim=(ceildiv(Int(layer.width), BLOCK_COLUMNS), ceildiv(rows, BLOCK_ROWS)),
            block_dim=(BLOCK_COLUMNS, BLOCK_ROWS),
        )

    def linear(
        self,
        index: Int,
        rows: Int,
        rank: Int,
        x: DeviceBuffer[DType.float32],
        to: DeviceBuffer[DType.float32],
    ) raises:
        """Applies a linear layer to `x`, into `to`."""
        var layer = device_layer(self.executor, self.layout, index, on_device(self.weights))
        var population = self.population(rank)
        var x_width = padded(Int(layer.inputs))
        var strips = ceildiv(rows, ROWS)
        if self.on_host:
            for row in range(rows):
                for r in range(rank):
                    project_at(row, r, layer, population, on_device(x), x_width)
            for strip in range(strips):
                for column in range(Int(layer.width)):
                    linear_at(strip, column, layer, population, on_device(x), x_width, rows, on_device(to))
            return
        if rank > 0:
            self.context.enqueue_function[project](
                layer,
                population,
                on_device(x),
                Int32(x_width),
                Int32(rows),
                grid_dim=(ceildiv(rows, BLOCK_COLUMNS), rank),
                block_dim=(BLOCK_COLUMNS, 1),
            )
        self.context.enqueue_function[linear](
            layer,
            population,
            on_device(x),
            Int32(x_width),
            Int32(rows),
            on_device(to),
            grid_dim=(ceildiv(Int(layer.width), BLOCK_COLUMNS), ceildiv(strips, BLOCK_ROWS)),
            block_dim=(BLOCK_COLUMNS, BLOCK_ROWS),
        )


def on_device[dtype: DType](buffer: DeviceBuffer[dtype]) -> Pointer[Scalar[dtype], MutUntrackedOrigin]:
    """Returns the address of a buffer. The caller must keep the buffer alive until all work on it is done."""
    var handle = buffer
    return handle.unsafe_ptr().unsafe_origin_cast[MutUntrackedOrigin]()


def device_layer(executor: Executor, layout: PerturbationLayout, index: Int, weights: Floats) -> DeviceLayer:
    """Returns layer `index` as an argument for kernels. `weights` is the address of the executor's weights."""
    ref layer = executor.network.layers[index]
    var perturbed = 0
    var outer = 0
    var inner = 0
    var bias = 0
    if 2 * index < len(layout.tensors):
        var tensor = layout.tensors[2 * index]
        perturbed = layer.outputs
        outer = tensor.noise + (layout.rank * tensor.rows if layer.embedding else 0)
        inner = tensor.noise + (0 if layer.embedding else layout.rank * tensor.rows)
        bias = layout.tensors[2 * index + 1].noise
    return DeviceLayer(
        weights.unsafe_offset(executor.offsets[index]),
        Int32(layer.inputs),
        Int32(executor.padded_width(index)),
        Int32(layer.activation),
        Int32(perturbed),
        Int32(outer),
        Int32(inner),
        Int32(bias),
    )


struct NoiseDraw(Job):
    """The noise of one perturbation."""

    var key: PerturbationKey
    var pair: UInt64
    """The number of the perturbation."""
    var layout: Pointer[PerturbationLayout, ImmUntrackedOrigin]
    var noise: List[Float32]
    """The result, `[layout.num_noise]`."""

    def __init__(out self, key: PerturbationKey, pair: UInt64, layout: Pointer[PerturbationLayout, ImmUntrackedOrigin]):
        self.key = key
        self.pair = pair
        self.layout = layout
        self.noise = List[Float32]()

    def run(mut self) raises:
        """Draws the noise."""
        self.layout[].draw(self.key, self.pair, self.noise)
