"""What one thread of an accelerator computes of a forward pass, and the kernels, which have a thread for each place.

The functions whose names end in `_at` take their place as arguments, so that the host can run them, too, one place after the
other. Matrices are those of `Executor`: (inputs, padded outputs), row-major, the bias behind them.
"""

from max.gpu import global_idx
from std.builtin.device_passable import DevicePassable, DeviceTypeEncoder
from std.math import ceildiv, sqrt

from twisterl.forward import activated

comptime Floats = Pointer[Float32, MutUntrackedOrigin]
comptime Ones = Pointer[UInt16, MutUntrackedOrigin]
comptime Members = Pointer[Int32, MutUntrackedOrigin]
comptime ROWS = 8
"""Rows of one thread of `linear`: so often it uses a weight that it loads."""


@fieldwise_init
struct DeviceLayer(DevicePassable, ImplicitlyCopyable, Movable, RegisterPassable):
    """A layer, and where a perturbation of rank 1 or more has the numbers for it."""

    var weights: Floats
    var inputs: Int32
    var width: Int32
    """Padded outputs."""
    var activation: Int32
    var perturbed: Int32
    """Outputs that are perturbed, the first of all."""
    var outer: Int32
    """The vectors over the outputs, (rank, perturbed)."""
    var inner: Int32
    """The vectors over the inputs, (rank, inputs)."""
    var bias: Int32
    """The numbers of the bias, (perturbed,)."""

    comptime device_type: AnyType = Self

    def _to_device_type[Encoder: DeviceTypeEncoder](self, mut encoder: Encoder, target: MutOpaquePointer[_]):
        encoder.encode(self, target)

    @staticmethod
    def get_type_name() -> String:
        return "DeviceLayer"


@fieldwise_init
struct DevicePopulation(DevicePassable, ImplicitlyCopyable, Movable, RegisterPassable):
    """The perturbations of pairs of members, and which member each row is of."""

    var numbers: Floats
    """Of all perturbations, (pairs, stride)."""
    var members: Members
    """(rows,); of the pair `member / 2`, whose odd member has the opposite sign."""
    var projections: Floats
    """What the vectors over the inputs of a layer make of each row, (rows, rank)."""
    var rank: Int32
    """0: nothing is perturbed, and nothing of the rest is looked at."""
    var stride: Int32
    var sigma: Float32

    comptime device_type: AnyType = Self

    def _to_device_type[Encoder: DeviceTypeEncoder](self, mut encoder: Encoder, target: MutOpaquePointer[_]):
        encoder.encode(self, target)

    @staticmethod
    def get_type_name() -> String:
        return "DevicePopulation"

    @always_inline
    def pair(self, row: Int) -> Floats:
        """The numbers of the perturbation of a row."""
        return self.numbers.unsafe_offset(Int(self.members.unsafe_offset(row)[]) // 2 * Int(self.stride))

    @always_inline
    def added(self, layer: DeviceLayer, row: Int, column: Int) -> Float32:
        """What the perturbation of a row adds to one output: `sigma (A (B x) / sqrt(rank) + e)`, or its opposite."""
        if self.rank == 0 or column >= Int(layer.perturbed):
            return 0
        var numbers = self.pair(row)
        var sum = Float32(0)
        for r in range(Int(self.rank)):
            var left = numbers.unsafe_offset(Int(layer.outer) + r * Int(layer.perturbed) + column)[]
            sum += left * self.projections.unsafe_offset(row * Int(self.rank) + r)[]
        sum = sum / sqrt(Float32(self.rank)) + numbers.unsafe_offset(Int(layer.bias) + column)[]
        return sum * (-self.sigma if self.members.unsafe_offset(row)[] % 2 == 1 else self.sigma)


@always_inline
def embed_at(
    row: Int, column: Int, layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int, to: Floats
):
    """One output of the embedding, of (rows, width)."""
    var width = Int(layer.width)
    var sum = layer.weights.unsafe_offset(Int(layer.inputs) * width + column)[]
    for i in range(per_row):
        sum += layer.weights.unsafe_offset(Int(ones.unsafe_offset(row * per_row + i)[]) * width + column)[]
    sum += population.added(layer, row, column)
    to.unsafe_offset(row * width + column)[] = activated(sum, Int(layer.activation))


@always_inline
def linear_at(
    strip: Int,
    column: Int,
    layer: DeviceLayer,
    population: DevicePopulation,
    x: Floats,
    x_width: Int,
    rows: Int,
    to: Floats,
):
    """One output of a linear layer for each row of a strip of `ROWS`, from x, (rows, x_width)."""
    var width = Int(layer.width)
    var first = strip * ROWS
    var sums = SIMD[DType.float32, ROWS](layer.weights.unsafe_offset(Int(layer.inputs) * width + column)[])
    for i in range(Int(layer.inputs)):
        var weight = layer.weights.unsafe_offset(i * width + column)[]
        comptime for row in range(ROWS):  # rows beyond the last are read as the last
            sums[row] += weight * x.unsafe_offset(min(first + row, rows - 1) * x_width + i)[]
    comptime for row in range(ROWS):
        if first + row < rows:
            var sum = sums[row] + population.added(layer, first + row, column)
            to.unsafe_offset((first + row) * width + column)[] = activated(sum, Int(layer.activation))


@always_inline
def project_ones_at(row: Int, r: Int, layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int):
    """What vector `r` over the inputs of the embedding makes of a row: the sum of its numbers at the ones."""
    var vector = population.pair(row).unsafe_offset(Int(layer.inner) + r * Int(layer.inputs))
    var sum = Float32(0)
    for i in range(per_row):
        sum += vector.unsafe_offset(Int(ones.unsafe_offset(row * per_row + i)[]))[]
    population.projections.unsafe_offset(row * Int(population.rank) + r)[] = sum


@always_inline
def project_at(row: Int, r: Int, layer: DeviceLayer, population: DevicePopulation, x: Floats, x_width: Int):
    """What vector `r` over the inputs of a linear layer makes of a row: their product."""
    var vector = population.pair(row).unsafe_offset(Int(layer.inner) + r * Int(layer.inputs))
    var sum = Float32(0)
    for i in range(Int(layer.inputs)):
        sum += vector.unsafe_offset(i)[] * x.unsafe_offset(row * x_width + i)[]
    population.projections.unsafe_offset(row * Int(population.rank) + r)[] = sum


def embed(layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int32, rows: Int32, to: Floats):
    """The embedding of all rows: threads (columns, rows)."""
    if Int(global_idx.y) < Int(rows) and Int(global_idx.x) < Int(layer.width):
        embed_at(Int(global_idx.y), Int(global_idx.x), layer, population, ones, Int(per_row), to)


def linear(layer: DeviceLayer, population: DevicePopulation, x: Floats, x_width: Int32, rows: Int32, to: Floats):
    """A linear layer on all rows: threads (columns, strips)."""
    if Int(global_idx.y) < ceildiv(Int(rows), ROWS) and Int(global_idx.x) < Int(layer.width):
        linear_at(Int(global_idx.y), Int(global_idx.x), layer, population, x, Int(x_width), Int(rows), to)


def project_ones(layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int32, rows: Int32):
    """`project_ones_at` of all rows: threads (rows, rank)."""
    if Int(global_idx.x) < Int(rows):
        project_ones_at(Int(global_idx.x), Int(global_idx.y), layer, population, ones, Int(per_row))


def project(layer: DeviceLayer, population: DevicePopulation, x: Floats, x_width: Int32, rows: Int32):
    """`project_at` of all rows: threads (rows, rank)."""
    if Int(global_idx.x) < Int(rows):
        project_at(Int(global_idx.x), Int(global_idx.y), layer, population, x, Int(x_width))
