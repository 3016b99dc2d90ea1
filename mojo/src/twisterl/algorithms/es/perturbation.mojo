"""Random perturbations of a policy's weights, derived from their keys and never stored.

A matrix is perturbed by `A B^T / sqrt(r)` of rank `r` (EGGROLL: Sarkar et al., "Evolution strategies at the
hyperscale", 2025). Its entries have mean 0, variance 1 and no correlation, like those of a full perturbation. Numbers
and their order equal those of the Rust implementation.
"""

from std.math import sqrt

from ...policy.network import Network
from ...rng import Purpose, Rng, StreamKey


@fieldwise_init
struct PerturbationKey(ImplicitlyCopyable, Movable):
    """The perturbations of one iteration."""

    var seed: UInt64
    """The seed of the run."""
    var iteration: UInt64

    def stream(self, index: UInt64) -> StreamKey:
        """Returns the key of the random stream of perturbation `index`."""
        return StreamKey(self.seed, Purpose.PERTURB, self.iteration, index)


@fieldwise_init
struct PerturbedTensor(ImplicitlyCopyable, Movable):
    """One tensor of weights and its share of a perturbation's noise."""

    var weights: Int
    """The position of the tensor among the parameters."""
    var rows: Int
    """Rows of the matrix in memory, row-major."""
    var columns: Int
    """Columns of the matrix in memory."""
    var noise: Int
    """The position of its numbers in the noise: `A^T`, `[rank, rows]`, then `B^T`, `[rank, columns]`; or the
    perturbation itself, `[rows, columns]`, if it is full.
    """
    var full: Bool


struct PerturbationLayout(Copyable):
    """The layout of a perturbation: the weights of the trunk and the action head. The value head is not perturbed."""

    var rank: Int
    """The rank of matrix perturbations; 0: full."""
    var tensors: List[PerturbedTensor]
    """Weight and bias of each perturbed layer."""
    var num_noise: Int
    """Random numbers of a perturbation."""
    var num_weights: Int
    """Perturbed weights, the first ones of all parameters."""

    def __init__(out self, network: Network, rank: Int):
        """Creates a layout with matrices of this rank, full if it is 0. Biases are perturbed in full."""
        self.rank = rank
        self.tensors = List[PerturbedTensor]()
        self.num_noise = 0
        self.num_weights = 0
        for i in range(network.common + network.action):
            ref layer = network.layers[i]
            var rows = layer.inputs if layer.embedding else layer.outputs
            var columns = layer.outputs if layer.embedding else layer.inputs
            self.tensors.append(PerturbedTensor(layer.offset, rows, columns, self.num_noise, rank == 0))
            self.num_noise += rank * (rows + columns) if rank > 0 else rows * columns
            self.tensors.append(PerturbedTensor(layer.bias_offset(), 1, layer.outputs, self.num_noise, True))
            self.num_noise += layer.outputs
            self.num_weights = layer.bias_offset() + layer.outputs

    def draw(self, key: PerturbationKey, index: UInt64, mut noise: List[Float32]):
        """Draws the noise of perturbation `index`, `[num_noise]`."""
        var rng = Rng(key.stream(index))
        noise.resize(self.num_noise, 0)
        for i in range(self.num_noise):
            noise.unsafe_get(i) = rng.normal()

    def add(self, noise: List[Float32], scale: Float32, mut weights: List[Float32]):
        """Adds `scale` times the perturbation of `noise` to `weights`, whose first `num_weights` are perturbed."""
        var factor = scale / sqrt(Float32(max(self.rank, 1)))
        for tensor in self.tensors:
            if tensor.full:
                for i in range(tensor.rows * tensor.columns):
                    weights.unsafe_get(tensor.weights + i) += scale * noise.unsafe_get(tensor.noise + i)
                continue
            for r in range(self.rank):
                var a = tensor.noise + r * tensor.rows
                var b = tensor.noise + self.rank * tensor.rows + r * tensor.columns
                for row in range(tensor.rows):
                    var left = factor * noise.unsafe_get(a + row)
                    var weight_row = tensor.weights + row * tensor.columns
                    for column in range(tensor.columns):
                        weights.unsafe_get(weight_row + column) += left * noise.unsafe_get(b + column)
