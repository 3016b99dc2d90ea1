"""Random number streams: one seed for a run and an independent stream for every use.

A stream is ChaCha8 keyed by the 256 bits of a `StreamKey`. The Rust implementation draws the same words under the same
key (tests/vectors/streams.json), so both implementations begin the same episodes.
"""

from std.bit import pop_count

comptime Word = DType.uint32
comptime WORDS = 16
"""Words of a ChaCha block."""
comptime BLOCKS = 4
"""Blocks computed at once, one in each vector lane."""
comptime BUFFER = WORDS * BLOCKS
comptime DOUBLE_ROUNDS = 4


struct Purpose:
    """The use of a stream. The numbers equal those of the Rust implementation."""

    comptime INIT = 1
    """Initial weights of a network."""
    comptime START = 2
    """Start of a training episode."""
    comptime ACT = 3
    """Sampling of actions in a rollout."""
    comptime SHUFFLE = 4
    """Order of the samples in minibatches."""
    comptime EVALUATE = 5
    """Episodes of an evaluation."""
    comptime SOLVE = 6
    """Solving of single problems."""
    comptime PROBE = 7
    """States on which the greedy policy is probed for failures."""
    comptime CHOICE = 8
    """Choice among the kinds of start."""
    comptime SEARCH = 11
    """Noise at the roots of searches."""
    comptime PERTURB = 12
    """Perturbations of an evolution strategy."""


struct StreamKey(ImplicitlyCopyable, Movable):
    """The key of a random stream. Different keys give independent streams."""

    var seed: UInt64
    """The seed of the run."""
    var purpose: Int
    """The use of the stream, one of `Purpose`."""
    var iteration: UInt64
    var index: UInt64
    """Number of the stream among those of one seed, purpose and iteration."""

    def __init__(out self, seed: UInt64, purpose: Int, iteration: UInt64 = 0, index: UInt64 = 0):
        self.seed = seed
        self.purpose = purpose
        self.iteration = iteration
        self.index = index

    def at(self, index: UInt64) -> Self:
        """Returns this key with another index."""
        return Self(self.seed, self.purpose, self.iteration, index)

    def derive(self, purpose: Int, index: UInt64) -> Self:
        """Returns the key of the same seed and iteration for another purpose and index."""
        return Self(self.seed, purpose, self.iteration, index)


struct Rng(Copyable):
    """A stream of random numbers."""

    var key: Array[UInt32, 8]
    var counter: UInt64
    """Number of the next block to compute."""
    var buffer: Array[UInt32, BUFFER]
    var used: Int
    """Words of the buffer that have been drawn."""

    def __init__(out self, key: StreamKey):
        """Begins the stream of `key`."""
        self.key = Array[UInt32, 8](fill=0)
        self.counter = 0
        self.buffer = Array[UInt32, BUFFER](fill=0)
        self.used = BUFFER
        var numbers = [key.seed, UInt64(key.purpose), key.iteration, key.index]
        for i in range(4):
            self.key[2 * i] = numbers[i].cast[Word]()
            self.key[2 * i + 1] = (numbers[i] >> 32).cast[Word]()

    @no_inline
    def _refill(mut self):
        """Computes the next blocks (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008), one in each vector lane."""
        comptime Lanes = SIMD[Word, BLOCKS]
        var start = Array[Lanes, WORDS](fill=0)
        start[0] = 0x61707865  # "expand 32-byte k"
        start[1] = 0x3320646E
        start[2] = 0x79622D32
        start[3] = 0x6B206574
        comptime for i in range(8):
            start[4 + i] = self.key[i]
        comptime for lane in range(BLOCKS):
            var count = self.counter + UInt64(lane)
            start[12][lane] = count.cast[Word]()
            start[13][lane] = (count >> 32).cast[Word]()
        var x = start.copy()
        for _ in range(DOUBLE_ROUNDS):
            comptime for i in range(4):  # columns
                quarter_round[i, 4 + i, 8 + i, 12 + i](x)
            comptime for i in range(4):  # diagonals
                quarter_round[i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4](x)
        comptime for word in range(WORDS):
            var sum = x[word] + start[word]
            comptime for lane in range(BLOCKS):
                self.buffer[WORDS * lane + word] = sum[lane]
        self.counter += UInt64(BLOCKS)
        self.used = 0

    @always_inline
    def next_u32(mut self) -> UInt32:
        """Draws 32 bits."""
        if self.used == BUFFER:
            self._refill()
        var word = self.buffer.unsafe_get(self.used)
        self.used += 1
        return word

    @always_inline
    def next_u64(mut self) -> UInt64:
        """Draws 64 bits, the low word first."""
        var low = self.next_u32().cast[DType.uint64]()
        return self.next_u32().cast[DType.uint64]() << 32 | low

    @always_inline
    def uniform(mut self) -> Float32:
        """Draws uniformly from [0, 1) in steps of 2^-24."""
        return (self.next_u32() >> 8).cast[DType.float32]() * (1.0 / 16777216.0)

    def uniform64(mut self) -> Float64:
        """Draws uniformly from [0, 1) in steps of 2^-53."""
        return (self.next_u64() >> 11).cast[DType.float64]() * (1.0 / 9007199254740992.0)

    def below(mut self, bound: Int) -> Int:
        """Draws an integer from 0 to `bound` - 1, 1 <= `bound` < 2^32.

        Uses a widening product whose bias a second word removes up to 2^-32 (S. Canon's method), as the Rust
        implementation does.
        """
        var product = self.next_u32().cast[DType.uint64]() * UInt64(bound)
        var low = product & 0xFFFFFFFF
        if low > 0x1_0000_0000 - UInt64(bound):
            var more = self.next_u32().cast[DType.uint64]() * UInt64(bound) >> 32
            product += UInt64(1) << 32 if low + more >= UInt64(1) << 32 else UInt64(0)
        return Int(product >> 32)

    def positive(mut self) -> Float64:
        """Draws uniformly from (0, 1], so that the logarithm is finite."""
        return 1.0 - self.uniform64()

    @always_inline
    def normal(mut self) -> Float32:
        """Draws an approximately standard normal number from 64 random bits, as the Rust implementation does.

        The count of ones among 32 bits plus a uniform number has mean 16 and variance 8 + 1/12. By the central limit
        theorem the distribution function is within 0.001 of the normal one; mean 0, variance 1 and symmetry are exact;
        the largest magnitude is 5.8.
        """
        var low = self.next_u32()
        var ones = pop_count(self.next_u32()).cast[DType.float32]() - 16.0
        var uniform = ((low >> 8).cast[DType.float32]() + 0.5) * (1.0 / 16777216.0) - 0.5
        return (ones + uniform) / 2.8431204

    def shuffle(mut self, mut items: List[UInt32]):
        """Shuffles `items` uniformly (Fisher and Yates)."""
        for last in range(len(items) - 1, 0, -1):
            var other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


@always_inline
def quarter_round[a: Int, b: Int, c: Int, d: Int](mut x: Array[SIMD[Word, BLOCKS], WORDS]):
    """Mixes four words of every lane's state."""
    x[a] += x[b]
    x[d] = rotate_left[16](x[d] ^ x[a])
    x[c] += x[d]
    x[b] = rotate_left[12](x[b] ^ x[c])
    x[a] += x[b]
    x[d] = rotate_left[8](x[d] ^ x[a])
    x[c] += x[d]
    x[b] = rotate_left[7](x[b] ^ x[c])


@always_inline
def rotate_left[bits: Int](x: SIMD[Word, BLOCKS]) -> SIMD[Word, BLOCKS]:
    """Rotates every word by `bits` to the left."""
    return (x << UInt32(bits)) | (x >> UInt32(32 - bits))
