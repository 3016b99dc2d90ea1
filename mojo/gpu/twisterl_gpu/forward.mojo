"""Inference on an accelerator: a batch of observations in, logits and values out, by one policy or by a population of
perturbations of it.
"""

from max.gpu.host import DeviceBuffer, DeviceContext
from std.math import ceildiv

from twisterl.forward import Evaluation, Evaluator, Executor, whole
from twisterl.parallel import Job, lent, run_all
from twisterl.perturbation import Layout

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

comptime COLUMNS = 32
"""Threads of a block, next to each other in a row."""
comptime LINES = 8
"""And one below the other."""
comptime MAX_LINES = 65_535 * LINES
"""The most lines of a grid, and so the most rows that are evaluated at once."""


struct DeviceExecutor(Copyable, Evaluator):
    """A network whose weights, and perturbations of them, lie in the memory of an accelerator."""

    var context: DeviceContext
    var on_host: Bool
    """Whether the context is that of the processor, where the places of a kernel are computed one after the other."""
    var executor: Executor
    """The same on the host."""
    var weights: DeviceBuffer[DType.float32]
    var layout: Layout
    var numbers: DeviceBuffer[DType.float32]
    """Of all perturbations, (pairs, layout.noise)."""
    var pairs: Int
    var per_member: Int
    """Environments of each member."""
    var sigma: Float32
    var capacity: Int
    """Rows for which there is memory."""
    var ones: DeviceBuffer[DType.uint16]
    var members: DeviceBuffer[DType.int32]
    var projections: DeviceBuffer[DType.float32]
    var features: DeviceBuffer[DType.float32]
    var left: DeviceBuffer[DType.float32]
    var right: DeviceBuffer[DType.float32]

    def __init__(out self, context: DeviceContext, executor: Executor) raises:
        """Copies the weights of `executor`."""
        self.context = context
        self.on_host = context.api() == "cpu"
        self.executor = executor.copy()
        self.weights = context.enqueue_create_buffer[DType.float32](len(executor.weights))
        self.layout = Layout(executor.network, 1)
        self.numbers = context.enqueue_create_buffer[DType.float32](1)
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
        """Takes the weights of another executor of the same network."""
        self.executor.weights = executor.weights.copy()
        self.weights.enqueue_copy_from(self.executor.weights.unsafe_ptr())
        self.context.synchronize()

    def perturb(
        mut self,
        layout: Layout,
        seed: UInt64,
        iteration: UInt64,
        pairs: Int,
        per_member: Int,
        sigma: Float32,
        threads: Int,
    ) raises:
        """Becomes a population: two members a pair, with `per_member` environments each. Raises for full perturbations."""
        if layout.rank == 0:
            raise Error("algorithm.es.rank: expected 1 or more on an accelerator, found 0, which asks for full ones")
        var draws = List[Draw](capacity=pairs)
        for pair in range(pairs):
            var draw = Draw(UInt64(pair), seed, iteration)
            draw.layout = lent(layout)
            draws.append(draw^)
        run_all(draws, threads)
        var numbers = List[Float32](capacity=pairs * layout.noise)
        for draw in draws:
            numbers.extend(Span(draw.numbers))
        if len(numbers) > len(self.numbers):
            self.numbers = self.context.enqueue_create_buffer[DType.float32](len(numbers))
        self.numbers.create_sub_buffer[DType.float32](0, len(numbers)).enqueue_copy_from(numbers.unsafe_ptr())
        self.context.synchronize()
        _ = len(numbers)  # lives until it is copied
        self.layout = layout.copy()
        self.pairs = pairs
        self.per_member = per_member
        self.sigma = sigma

    def evaluate(mut self, ones: Span[UInt16, _], rows: Int, mut out: Evaluation) raises:
        """Evaluates `rows` observations by the policy itself, given by their ones, equally many each. Raises if one does not
        fit the network.
        """
        self.run(ones, List[Int32](length=rows, fill=0), 0, out)

    def evaluate_slots(mut self, ones: Span[UInt16, _], slots: List[Int], mut out: Evaluation) raises:
        """Evaluates a row for each of `slots`, the numbers of the environments of all members, by the member whose it is.
        Raises before `perturb`, and if a slot or an observation does not fit.
        """
        var members = List[Int32](capacity=len(slots))
        for slot in slots:
            var member = slot // self.per_member
            if slot < 0 or member >= 2 * self.pairs:
                raise Error("slot: expected one below ", 2 * self.pairs * self.per_member, ", found ", slot)
            members.append(Int32(member))
        self.run(ones, members, self.layout.rank, out)

    def run(mut self, ones: Span[UInt16, _], members: List[Int32], rank: Int, mut out: Evaluation) raises:
        """Evaluates a row for each of `members`, perturbed if `rank` is not 0."""
        var rows = len(members)
        var per_row = self.executor.network.ones_per_row(ones, rows)
        if rows > MAX_LINES:
            raise Error("rows: expected at most ", MAX_LINES, ", found ", rows)
        ref network = self.executor.network
        out.logits.resize(rows * network.actions, 0)
        out.values.resize(rows, 0)
        if rows == 0:
            return
        self.reserve(rows, per_row)
        self.ones.create_sub_buffer[DType.uint16](0, len(ones)).enqueue_copy_from(ones.unsafe_ptr())
        self.members.create_sub_buffer[DType.int32](0, rows).enqueue_copy_from(members.unsafe_ptr())
        if self.on_host:
            self.context.synchronize()  # what was copied is there, as it is before a kernel
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
        if self.executor.one_head:
            for row in range(rows):
                out.values[row] = heads[row * width + actions]
            return
        var first = network.common + network.action
        width = self.head(first, len(network.layers) - first, rows, 0)
        heads = self.fetch(rows * width)
        for row in range(rows):
            out.values[row] = heads[row * width]

    def reserve(mut self, rows: Int, per_row: Int) raises:
        """Sees to it that there is memory for so many rows."""
        if rows * per_row > len(self.ones):
            self.ones = self.context.enqueue_create_buffer[DType.uint16](rows * per_row)
        if rows * self.layout.rank > len(self.projections):
            self.projections = self.context.enqueue_create_buffer[DType.float32](rows * self.layout.rank)
        if rows <= self.capacity:
            return
        var size = rows * self.executor.widest
        self.members = self.context.enqueue_create_buffer[DType.int32](rows)
        self.features = self.context.enqueue_create_buffer[DType.float32](size)
        self.left = self.context.enqueue_create_buffer[DType.float32](size)
        self.right = self.context.enqueue_create_buffer[DType.float32](size)
        self.capacity = rows

    def fetch(self, count: Int) raises -> List[Float32]:
        """The first numbers of `left`, when all that was asked for is done."""
        var numbers = List[Float32](length=count, fill=0)
        self.left.create_sub_buffer[DType.float32](0, count).enqueue_copy_to(numbers.unsafe_ptr())
        self.context.synchronize()
        return numbers^

    def head(mut self, first: Int, count: Int, rows: Int, rank: Int) raises -> Int:
        """Passes the features through `count` layers, into `left`. Returns its width."""
        self.linear(first, rows, rank, self.features, self.left)
        for layer in range(first + 1, first + count):
            self.linear(layer, rows, rank, self.left, self.right)
            swap(self.left, self.right)
        return self.executor.width(first + count - 1)

    def population(self, rank: Int) -> DevicePopulation:
        """What kernels know of the population."""
        return DevicePopulation(
            on_device(self.numbers),
            on_device(self.members),
            on_device(self.projections),
            Int32(rank),
            Int32(self.layout.noise),
            self.sigma,
        )

    def embed(self, rows: Int, per_row: Int, rank: Int) raises:
        """The embedding, into `features`."""
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
                grid_dim=(ceildiv(rows, COLUMNS), rank),
                block_dim=(COLUMNS, 1),
            )
        self.context.enqueue_function[embed](
            layer,
            population,
            ones,
            Int32(per_row),
            Int32(rows),
            on_device(self.features),
            grid_dim=(ceildiv(Int(layer.width), COLUMNS), ceildiv(rows, LINES)),
            block_dim=(COLUMNS, LINES),
        )

    def linear(
        self,
        index: Int,
        rows: Int,
        rank: Int,
        x: DeviceBuffer[DType.float32],
        to: DeviceBuffer[DType.float32],
    ) raises:
        """One linear layer, from `x` into `to`."""
        var layer = device_layer(self.executor, self.layout, index, on_device(self.weights))
        var population = self.population(rank)
        var x_width = whole(Int(layer.inputs))
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
                grid_dim=(ceildiv(rows, COLUMNS), rank),
                block_dim=(COLUMNS, 1),
            )
        self.context.enqueue_function[linear](
            layer,
            population,
            on_device(x),
            Int32(x_width),
            Int32(rows),
            on_device(to),
            grid_dim=(ceildiv(Int(layer.width), COLUMNS), ceildiv(strips, LINES)),
            block_dim=(COLUMNS, LINES),
        )


def on_device[dtype: DType](buffer: DeviceBuffer[dtype]) -> Pointer[Scalar[dtype], MutUntrackedOrigin]:
    """Where a buffer lies. The caller keeps it until what was asked for is done."""
    var handle = buffer
    return handle.unsafe_ptr().unsafe_origin_cast[MutUntrackedOrigin]()


def device_layer(executor: Executor, layout: Layout, index: Int, weights: Floats) -> DeviceLayer:
    """What kernels know of a layer whose executor's weights lie at `weights`, and of its share of perturbations."""
    ref layer = executor.network.layers[index]
    var perturbed = 0
    var outer = 0
    var inner = 0
    var bias = 0
    if 2 * index < len(layout.parts):
        var part = layout.parts[2 * index]
        perturbed = layer.outputs
        outer = part.noise + (layout.rank * part.rows if layer.embedding else 0)
        inner = part.noise + (0 if layer.embedding else layout.rank * part.rows)
        bias = layout.parts[2 * index + 1].noise
    return DeviceLayer(
        weights.unsafe_offset(executor.places[index]),
        Int32(layer.inputs),
        Int32(executor.width(index)),
        Int32(layer.activation),
        Int32(perturbed),
        Int32(outer),
        Int32(inner),
        Int32(bias),
    )


struct Draw(Job):
    """The numbers of one perturbation."""

    var pair: UInt64
    var seed: UInt64
    var iteration: UInt64
    var layout: Optional[Pointer[Layout, ImmUntrackedOrigin]]
    var numbers: List[Float32]

    def __init__(out self, pair: UInt64, seed: UInt64, iteration: UInt64):
        self.pair = pair
        self.seed = seed
        self.iteration = iteration
        self.layout = None
        self.numbers = List[Float32]()

    def run(mut self) raises:
        """Draws them."""
        self.layout.value()[].draw(self.seed, self.iteration, self.pair, self.numbers)
