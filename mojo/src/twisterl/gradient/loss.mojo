"""The losses of PPO and AlphaZero for one row, with their gradients in closed form."""

from std.math import exp, log

from ..rollout.batch import Batch

comptime MIN_LOG_PROB = Float64(-30.0)
"""The lower bound of log-probabilities. Below it rounding dominates."""
comptime MAX_LOG_RATIO = Float64(10.0)
"""The bound on the magnitude of the log-ratio, so that the loss stays finite however far the policy has moved."""


@fieldwise_init
struct LossSums(ImplicitlyCopyable, Movable):
    """Sums of loss statistics over rows. Divided by `rows` they are the reported means."""

    var rows: Float64
    var total: Float64
    """Total loss."""
    var policy: Float64
    """Policy loss: the negated clipped objective or the cross-entropy."""
    var value: Float64
    """Squared error of the value."""
    var entropy: Float64
    """Entropy of the policy, in nats."""
    var kl: Float64
    """`(r - 1) - ln r`, a non-negative estimate of the KL divergence from the acting to the new policy."""

    def __init__(out self):
        self.rows = 0
        self.total = 0
        self.policy = 0
        self.value = 0
        self.entropy = 0
        self.kl = 0

    def __iadd__(mut self, other: Self):
        """Adds the sums of other rows."""
        self.rows += other.rows
        self.total += other.total
        self.policy += other.policy
        self.value += other.value
        self.entropy += other.entropy
        self.kl += other.kl


trait Objective(Copyable, Deinitable):
    """A loss function."""

    def evaluate(
        self,
        batch: Batch,
        row: Int,
        logits: Span[Float32, _],
        value: Float32,
        weight: Float64,
        gradient: MutSpan[Float32, _],
        mut sums: LossSums,
    ) -> Float32:
        """Adds the statistics of `row` to `sums` and writes `weight` times the gradient with respect to the logits,
        `[actions]`.

        Returns `weight` times the gradient with respect to the value.
        """
        ...


struct MaskedSoftmax[width: Int](Copyable):
    """The masked softmax of a row."""

    var log_probs: Array[Float64, Self.width]
    """Log-probabilities, `[width]`; 0 if masked."""
    var probabilities: Array[Float64, Self.width]
    """Probabilities, `[width]`; 0 if masked."""
    var entropy: Float64
    """Entropy in nats."""

    def __init__(out self, logits: Span[Float32, _], mask: Span[Bool, _]):
        """Computes the distribution of at most `width` logits."""
        self.log_probs = Array[Float64, Self.width](fill=0)
        self.probabilities = Array[Float64, Self.width](fill=0)
        self.entropy = 0
        var most = Float64.MIN
        for i in range(len(logits)):
            if mask[i]:
                most = max(most, logits[i].cast[DType.float64]())
        var sum = Float64(0)
        for i in range(len(logits)):
            if mask[i]:
                sum += exp(logits[i].cast[DType.float64]() - most)
        var log_sum = most + log(sum)
        for i in range(len(logits)):
            if mask[i]:
                self.log_probs[i] = logits[i].cast[DType.float64]() - log_sum
                self.probabilities[i] = exp(self.log_probs[i])
                self.entropy -= self.probabilities[i] * self.log_probs[i]


comptime MAX_ACTIONS = 64
"""The most actions of an environment."""


@fieldwise_init
struct PpoLoss(Objective):
    """The loss of PPO (Schulman et al. 2017, equations 7 and 9).

    With `r` the ratio of the action's probabilities under the new and the acting policy, `A` its advantage, `R` the
    target of the value `V`, `p` the policy's probabilities and `H` their entropy:

    ```text
    loss = -min(r A, clip(r, 1 - e, 1 + e) A) + vf_coef (V - R)^2 - ent_coef H
    d ln p(a) / d z_j = [j = a] - p_j          d H / d z_j = -p_j (ln p_j + H)
    ```
    """

    var clip_ratio: Float64
    """The distance of the ratio from 1 beyond which the objective is clipped."""
    var vf_coef: Float64
    """The weight of the squared error of the value."""
    var ent_coef: Float64
    """The weight of the entropy bonus."""

    def evaluate(
        self,
        batch: Batch,
        row: Int,
        logits: Span[Float32, _],
        value: Float32,
        weight: Float64,
        gradient: MutSpan[Float32, _],
        mut sums: LossSums,
    ) -> Float32:
        """Evaluates one row. See `Objective.evaluate`."""
        var chosen = batch.actions[row]
        var softmax = MaskedSoftmax[MAX_ACTIONS](logits, batch.mask(row))
        var advantage = batch.advantages[row].cast[DType.float64]()
        var log_prob = softmax.log_probs[chosen]
        var difference = max(log_prob, MIN_LOG_PROB) - max(batch.log_probs[row].cast[DType.float64](), MIN_LOG_PROB)
        var log_ratio = min(max(difference, -MAX_LOG_RATIO), MAX_LOG_RATIO)
        var in_bounds = log_prob > MIN_LOG_PROB and abs(difference) < MAX_LOG_RATIO
        var ratio = exp(log_ratio)
        var unclipped = ratio * advantage
        var clipped = min(max(ratio, 1.0 - self.clip_ratio), 1.0 + self.clip_ratio) * advantage
        # If both are equal, the ratio is inside the interval or the advantage is 0.
        var slope = -ratio * advantage if in_bounds and unclipped <= clipped else Float64(0)
        for i in range(len(logits)):
            var probability = softmax.probabilities[i]
            var policy = slope * ((1.0 if i == chosen else 0.0) - probability)
            var bonus = self.ent_coef * probability * (softmax.log_probs[i] + softmax.entropy)
            gradient[i] = (weight * (policy + bonus)).cast[DType.float32]()
        var error = (value - batch.values[row]).cast[DType.float64]()
        var loss = -min(unclipped, clipped)
        sums.rows += 1
        sums.policy += loss
        sums.value += error * error
        sums.entropy += softmax.entropy
        sums.kl += ratio - 1.0 - log_ratio
        sums.total += loss + self.vf_coef * error * error - self.ent_coef * softmax.entropy
        return (weight * self.vf_coef * 2.0 * error).cast[DType.float32]()


@fieldwise_init
struct Imitation(Objective):
    """The loss of AlphaZero (Silver et al. 2017): cross-entropy to a target policy `t` and squared error of the value.

    ```text
    loss = -sum_a t_a ln p_a + vf_coef (V - R)^2        d loss / d z_j = p_j - t_j
    ```
    """

    var vf_coef: Float64
    """The weight of the squared error of the value."""

    def evaluate(
        self,
        batch: Batch,
        row: Int,
        logits: Span[Float32, _],
        value: Float32,
        weight: Float64,
        gradient: MutSpan[Float32, _],
        mut sums: LossSums,
    ) -> Float32:
        """Evaluates one row. See `Objective.evaluate`."""
        var mask = batch.mask(row)
        var softmax = MaskedSoftmax[MAX_ACTIONS](logits, mask)
        var cross_entropy = Float64(0)
        for i in range(len(logits)):
            var target = batch.policies[row * batch.num_actions + i].cast[DType.float64]() if mask[i] else Float64(0)
            gradient[i] = (weight * (softmax.probabilities[i] - target)).cast[DType.float32]()
            cross_entropy -= target * softmax.log_probs[i]
        var error = (value - batch.values[row]).cast[DType.float64]()
        sums.rows += 1
        sums.policy += cross_entropy
        sums.value += error * error
        sums.entropy += softmax.entropy
        sums.total += cross_entropy + self.vf_coef * error * error
        return (weight * self.vf_coef * 2.0 * error).cast[DType.float32]()
