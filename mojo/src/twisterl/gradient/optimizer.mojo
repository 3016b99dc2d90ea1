"""Adam (Kingma and Ba 2015) on a flat parameter vector, in place and in one pass."""

from std.math import sqrt

from ..policy.product import LANES


@fieldwise_init
struct AdamConfig(ImplicitlyCopyable, Movable):
    """The constants of Adam. The learning rate is an argument of each step."""

    var beta1: Float64
    """The decay of the first moment."""
    var beta2: Float64
    """The decay of the second moment."""
    var eps: Float32
    """Added to the root of the second moment."""
    var weight_decay: Float32
    """The multiple of the parameters that is added to the gradient (L2 regularization, as in PyTorch's Adam)."""

    def __init__(out self):
        """Creates the paper's constants."""
        self.beta1 = 0.9
        self.beta2 = 0.999
        self.eps = 1e-8
        self.weight_decay = 0.0


struct Adam(Copyable):
    """The state of the optimizer."""

    var config: AdamConfig
    var m: List[Float32]
    """First moments, `[parameters]`."""
    var v: List[Float32]
    """Second moments, `[parameters]`."""
    var t: Int
    """Steps taken."""

    def __init__(out self, config: AdamConfig, count: Int):
        """Creates the state before the first step for `count` parameters."""
        self.config = config
        self.m = List[Float32](length=count, fill=0)
        self.v = List[Float32](length=count, fill=0)
        self.t = 0

    def step(mut self, mut parameters: List[Float32], gradient: List[Float32], scale: Float32, lr: Float64):
        """Takes one step against `scale * gradient`, `[parameters]`, with learning rate `lr`."""
        self.t += 1
        var t = Float64(self.t)
        # p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
        var rate = (lr / (1.0 - self.config.beta1**t)).cast[DType.float32]()
        var root = (1.0 / sqrt(1.0 - self.config.beta2**t)).cast[DType.float32]()
        var i = 0
        while i + LANES <= len(gradient):
            self.update[LANES](parameters, gradient, i, scale, rate, root)
            i += LANES
        while i < len(gradient):
            self.update[1](parameters, gradient, i, scale, rate, root)
            i += 1

    @always_inline
    def update[
        lanes: Int
    ](
        mut self,
        mut parameters: List[Float32],
        gradient: List[Float32],
        i: Int,
        scale: Float32,
        rate: Float32,
        root: Float32,
    ):
        """Updates `lanes` parameters, from `i` on."""
        var place = parameters.unsafe_ptr().unsafe_offset(i)
        var m_place = self.m.unsafe_ptr().unsafe_offset(i)
        var v_place = self.v.unsafe_ptr().unsafe_offset(i)
        var p = place.unsafe_load[width=lanes]()
        var g = gradient.unsafe_ptr().unsafe_offset(i).unsafe_load[width=lanes]() * scale
        g += self.config.weight_decay * p
        var keep1 = self.config.beta1.cast[DType.float32]()
        var take1 = (1.0 - self.config.beta1).cast[DType.float32]()
        var keep2 = self.config.beta2.cast[DType.float32]()
        var take2 = (1.0 - self.config.beta2).cast[DType.float32]()
        var m = keep1 * m_place.unsafe_load[width=lanes]() + take1 * g
        var v = keep2 * v_place.unsafe_load[width=lanes]() + take2 * g * g
        m_place.unsafe_store(m)
        v_place.unsafe_store(v)
        place.unsafe_store(p - rate * m / (sqrt(v) * root + self.config.eps))

    def momentum_step(mut self, mut parameters: List[Float32], gradient: List[Float32], scale: Float32, lr: Float64):
        """Takes one step of gradient descent with momentum `beta1`. The first moments hold the velocity."""
        self.t += 1
        var keep = self.config.beta1.cast[DType.float32]()
        var rate = lr.cast[DType.float32]()
        for i in range(len(gradient)):
            var slope = gradient[i] * scale + self.config.weight_decay * parameters[i]
            self.m[i] = keep * self.m[i] + slope
            parameters[i] -= rate * self.m[i]
