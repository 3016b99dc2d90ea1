"""Random perturbations of a policy's weights, which are derived where they are needed and never stored.

A matrix is perturbed by `A B^T / sqrt(r)` of rank `r` (EGGROLL: Sarkar et al., "Evolution strategies at the hyperscale",
2025), whose entries have mean 0, variance 1 and no correlation, as those of a full perturbation have. Numbers and their
order are those of the Rust implementation.
"""

from std.math import sqrt

from .network import Network
from .rng import Purpose, Rng


@fieldwise_init
struct Part(ImplicitlyCopyable, Movable):
    """One tensor of weights."""

    var weights: Int
    """Its place among the parameters."""
    var rows: Int
    """Of the matrix in memory, row-major."""
    var columns: Int
    var noise: Int
    """The place of its numbers among those of a perturbation: `A^T` (rank, rows), then `B^T` (rank, columns); the
    perturbation itself where it is full.
    """
    var full: Bool


struct Layout(Copyable):
    """Which numbers make up a perturbation, and of which weights: those by which a network acts. The value head is left
    alone.
    """

    var rank: Int
    var parts: List[Part]
    var noise: Int
    """Numbers of a perturbation."""
    var weights: Int
    """Weights that are perturbed, the first of all."""

    def __init__(out self, network: Network, rank: Int):
        """Of matrices with this rank, and in full if it is 0; biases in full."""
        self.rank = rank
        self.parts = List[Part]()
        self.noise = 0
        self.weights = 0
        for i in range(network.common + network.action):
            ref layer = network.layers[i]
            var rows = layer.inputs if layer.embedding else layer.outputs
            var columns = layer.outputs if layer.embedding else layer.inputs
            self.parts.append(Part(layer.offset, rows, columns, self.noise, rank == 0))
            self.noise += rank * (rows + columns) if rank > 0 else rows * columns
            self.parts.append(Part(layer.bias(), 1, layer.outputs, self.noise, True))
            self.noise += layer.outputs
            self.weights = layer.bias() + layer.outputs

    def draw(self, seed: UInt64, iteration: UInt64, index: UInt64, mut noise: List[Float32]):
        """Fills `noise` with the numbers of perturbation `index`."""
        var rng = Rng(seed, Purpose.PERTURB, iteration, index)
        noise.resize(self.noise, 0)
        for i in range(self.noise):
            noise.unsafe_get(i) = rng.normal()

    def add(self, noise: List[Float32], scale: Float32, mut weights: List[Float32]):
        """Adds `scale` times the perturbation that `noise` makes to `weights`."""
        var factor = scale / sqrt(Float32(max(self.rank, 1)))
        for part in self.parts:
            if part.full:
                for i in range(part.rows * part.columns):
                    weights.unsafe_get(part.weights + i) += scale * noise.unsafe_get(part.noise + i)
                continue
            for r in range(self.rank):
                var a = part.noise + r * part.rows
                var b = part.noise + self.rank * part.rows + r * part.columns
                for row in range(part.rows):
                    var left = factor * noise.unsafe_get(a + row)
                    var place = part.weights + row * part.columns
                    for column in range(part.columns):
                        weights.unsafe_get(place + column) += left * noise.unsafe_get(b + column)
