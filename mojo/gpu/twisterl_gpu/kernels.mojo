"""The kernels of a forward pass, with one thread per position of the output.

Functions whose names end in `_at` compute one position. They take it as arguments, so that the host can run them too,
one position after the other. Matrices are those of `Executor`: `[inputs, padded outputs]` row-major, followed by the
bias.
"""

from max.gpu import global_idx
from std.builtin.device_passable import DevicePassable, DeviceTypeEncoder
from std.math import ceildiv, sqrt

from twisterl.policy.forward import activate

comptime Floats = Pointer[Float32, MutUntrackedOrigin]
comptime Ones = Pointer[UInt16, MutUntrackedOrigin]
comptime Members = Pointer[Int32, MutUntrackedOrigin]
comptime ROWS = 8
"""Rows of one thread of `linear`, which share each weight that it loads."""


@fieldwise_init
struct DeviceLayer(DevicePassable, ImplicitlyCopyable, Movable, RegisterPassable):
    """A layer and the positions of its numbers in the noise of a perturbation of rank 1 or more."""

    var weights: Floats
    """The matrix and the bias."""
    var inputs: Int32
    var width: Int32
    """The padded outputs."""
    var activation: Int32
    var perturbed: Int32
    """The number of perturbed outputs, which come first; 0: the layer is not perturbed."""
    var outer: Int32
    """The position of the vectors over the outputs, `[rank, perturbed]`."""
    var inner: Int32
    """The position of the vectors over the inputs, `[rank, inputs]`."""
    var bias: Int32
    """The position of the perturbation of the bias, `[perturbed]`."""

    comptime device_type: AnyType = Self

    def _to_device_type[Encoder: DeviceTypeEncoder](self, mut encoder: Encoder, target: MutOpaquePointer[_]):
        encoder.encode(self, target)

    @staticmethod
    def get_type_name() -> String:
        return "DeviceLayer"


@fieldwise_init
struct DevicePopulation(DevicePassable, ImplicitlyCopyable, Movable, RegisterPassable):
    """The perturbations of pairs of members, and the member of each row."""

    var noise: Floats
    """The noise of all perturbations, `[pairs, stride]`."""
    var members: Members
    """The member of each row, `[rows]`. Member `m` belongs to pair `m / 2`; odd members have the opposite sign."""
    var projections: Floats
    """The products of each row with the vectors over the inputs of a layer, `[rows, rank]`."""
    var rank: Int32
    """The rank of the perturbations; 0: nothing is perturbed, and the other fields are not used."""
    var stride: Int32
    """Random numbers of a perturbation."""
    var sigma: Float32
    """The standard deviation of the perturbations."""

    comptime device_type: AnyType = Self

    def _to_device_type[Encoder: DeviceTypeEncoder](self, mut encoder: Encoder, target: MutOpaquePointer[_]):
        encoder.encode(self, target)

    @staticmethod
    def get_type_name() -> String:
        return "DevicePopulation"

    @always_inline
    def row_noise(self, row: Int) -> Floats:
        """Returns the noise of the perturbation of a row, `[stride]`."""
        return self.noise.unsafe_offset(Int(self.members.unsafe_offset(row)[]) // 2 * Int(self.stride))

    @always_inline
    def perturbation(self, layer: DeviceLayer, row: Int, column: Int) -> Float32:
        """Returns the contribution of a row's perturbation to one output: `±sigma (A (B x) / sqrt(rank) + e)`."""
        if self.rank == 0 or column >= Int(layer.perturbed):
            return 0
        var noise = self.row_noise(row)
        var sum = Float32(0)
        for r in range(Int(self.rank)):
            var left = noise.unsafe_offset(Int(layer.outer) + r * Int(layer.perturbed) + column)[]
            sum += left * self.projections.unsafe_offset(row * Int(self.rank) + r)[]
        sum = sum / sqrt(Float32(self.rank)) + noise.unsafe_offset(Int(layer.bias) + column)[]
        return sum * (-self.sigma if self.members.unsafe_offset(row)[] % 2 == 1 else self.sigma)


@always_inline
def embed_at(
    row: Int, column: Int, layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int, to: Floats
):
    """Computes one output of the embedding, of `[rows, width]`."""
    var width = Int(layer.width)
    var sum = layer.weights.unsafe_offset(Int(layer.inputs) * width + column)[]
    for i in range(per_row):
        sum += layer.weights.unsafe_offset(Int(ones.unsafe_offset(row * per_row + i)[]) * width + column)[]
    sum += population.perturbation(layer, row, column)
    to.unsafe_offset(row * width + column)[] = activate(sum, Int(layer.activation))


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
    """Computes one output of a linear layer for each row of a strip of `ROWS`, from `x`, `[rows, x_width]`."""
    var width = Int(layer.width)
    var first = strip * ROWS
    var sums = SIMD[DType.float32, ROWS](layer.weights.unsafe_offset(Int(layer.inputs) * width + column)[])
    for i in range(Int(layer.inputs)):
        var weight = layer.weights.unsafe_offset(i * width + column)[]
        comptime for row in range(ROWS):  # rows after the last one read the last one
            sums[row] += weight * x.unsafe_offset(min(first + row, rows - 1) * x_width + i)[]
    comptime for row in range(ROWS):
        if first + row < rows:
            var sum = sums[row] + population.perturbation(layer, first + row, column)
            to.unsafe_offset((first + row) * width + column)[] = activate(sum, Int(layer.activation))


@always_inline
def project_ones_at(row: Int, r: Int, layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int):
    """Computes the product of a row with vector `r` over the inputs of the embedding: the sum of its numbers at the
    ones.
    """
    var vector = population.row_noise(row).unsafe_offset(Int(layer.inner) + r * Int(layer.inputs))
    var sum = Float32(0)
    for i in range(per_row):
        sum += vector.unsafe_offset(Int(ones.unsafe_offset(row * per_row + i)[]))[]
    population.projections.unsafe_offset(row * Int(population.rank) + r)[] = sum


@always_inline
def project_at(row: Int, r: Int, layer: DeviceLayer, population: DevicePopulation, x: Floats, x_width: Int):
    """Computes the product of a row with vector `r` over the inputs of a linear layer."""
    var vector = population.row_noise(row).unsafe_offset(Int(layer.inner) + r * Int(layer.inputs))
    var sum = Float32(0)
    for i in range(Int(layer.inputs)):
        sum += vector.unsafe_offset(i)[] * x.unsafe_offset(row * x_width + i)[]
    population.projections.unsafe_offset(row * Int(population.rank) + r)[] = sum


def embed(layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int32, rows: Int32, to: Floats):
    """Computes the embedding of all rows. Threads: (columns, rows)."""
    if Int(global_idx.y) < Int(rows) and Int(global_idx.x) < Int(layer.width):
        embed_at(Int(global_idx.y), Int(global_idx.x), layer, population, ones, Int(per_row), to)


def linear(layer: DeviceLayer, population: DevicePopulation, x: Floats, x_width: Int32, rows: Int32, to: Floats):
    """Computes a linear layer for all rows. Threads: (columns, strips)."""
    if Int(global_idx.y) < ceildiv(Int(rows), ROWS) and Int(global_idx.x) < Int(layer.width):
        linear_at(Int(global_idx.y), Int(global_idx.x), layer, population, x, Int(x_width), Int(rows), to)


def project_ones(layer: DeviceLayer, population: DevicePopulation, ones: Ones, per_row: Int32, rows: Int32):
    """Computes `project_ones_at` for all rows. Threads: (rows, rank)."""
    if Int(global_idx.x) < Int(rows):
        project_ones_at(Int(global_idx.x), Int(global_idx.y), layer, population, ones, Int(per_row))


def project(layer: DeviceLayer, population: DevicePopulation, x: Floats, x_width: Int32, rows: Int32):
    """Computes `project_at` for all rows. Threads: (rows, rank)."""
    if Int(global_idx.x) < Int(rows):
        project_at(Int(global_idx.x), Int(global_idx.y), layer, population, x, Int(x_width))
