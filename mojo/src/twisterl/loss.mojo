"""What an update aims at: losses of single rows, with their gradients in closed form."""

from std.math import exp, log

from .batch import Batch

comptime MIN_LOG_PROB = Float64(-30.0)
"""Log-probabilities are never taken to be below this: so rare an action is a matter of rounding."""
comptime MAX_LOG_RATIO = Float64(10.0)
"""Bound of the log of the ratio: with it the loss stays finite however far the policy has moved."""


@fieldwise_init
struct Sums(ImplicitlyCopyable, Movable):
    """Sums over rows, from which the means that are reported come."""

    var rows: Float64
    var total: Float64
    """Of the whole loss."""
    var policy: Float64
    """Of the negated clipped objective, or of the cross-entropy."""
    var value: Float64
    """Of the squared error of the value."""
    var entropy: Float64
    """Of the policy, in nats."""
    var kl: Float64
    """Of `(r - 1) - ln r`, an estimate of the divergence from the acting to the new policy that is never negative."""

    def __init__(out self):
        self.rows = 0
        self.total = 0
        self.policy = 0
        self.value = 0
        self.entropy = 0
        self.kl = 0

    def __iadd__(mut self, other: Self):
        """Adds other sums."""
        self.rows += other.rows
        self.total += other.total
        self.policy += other.policy
        self.value += other.value
        self.entropy += other.entropy
        self.kl += other.kl


trait Objective(Copyable, Deinitable):
    """What is to be learned from a batch."""

    def evaluate(
        self,
        batch: Batch,
        row: Int,
        logits: Span[Float32, _],
        value: Float32,
        weight: Float64,
        gradient: MutSpan[Float32, _],
        mut sums: Sums,
    ) -> Float32:
        """Adds the loss of `row` to `sums` and writes its gradient by the logits, times `weight`. Returns that by the
        value.
        """
        ...


struct Choices[width: Int](Copyable):
    """The masked softmax of a row."""

    var log_probs: Array[Float64, Self.width]
    """0 where masked."""
    var probabilities: Array[Float64, Self.width]
    """0 where masked."""
    var entropy: Float64

    def __init__(out self, logits: Span[Float32, _], mask: Span[Bool, _]):
        """Of these logits, at most `width`."""
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
        var normaliser = most + log(sum)
        for i in range(len(logits)):
            if mask[i]:
                self.log_probs[i] = logits[i].cast[DType.float64]() - normaliser
                self.probabilities[i] = exp(self.log_probs[i])
                self.entropy -= self.probabilities[i] * self.log_probs[i]


comptime MOST_ACTIONS = 64
"""The most actions that can be learned."""


@fieldwise_init
struct PpoLoss(Objective):
    """The loss of PPO (Schulman et al. 2017, equations 7 and 9). With `r` the ratio of the probabilities of the action
    under the new and the acting policy, `A` its advantage, `R` the target of the value `V`, `p` the policy's
    probabilities and `H` their entropy:

    ```text
    loss = -min(r A, clip(r, 1 - e, 1 + e) A) + vf_coef (V - R)^2 - ent_coef H
    d ln p(a) / d z_j = [j = a] - p_j          d H / d z_j = -p_j (ln p_j + H)
    ```
    """

    var clip_ratio: Float64
    """How far the ratio may move before its gradient is cut off."""
    var vf_coef: Float64
    """Weight of the value's squared error."""
    var ent_coef: Float64
    """Weight of the entropy bonus."""

    def evaluate(
        self,
        batch: Batch,
        row: Int,
        logits: Span[Float32, _],
        value: Float32,
        weight: Float64,
        gradient: MutSpan[Float32, _],
        mut sums: Sums,
    ) -> Float32:
        """See `Objective`."""
        var chosen = batch.actions[row]
        var choices = Choices[MOST_ACTIONS](logits, batch.mask(row))
        var advantage = batch.advantages[row].cast[DType.float64]()
        var log_prob = choices.log_probs[chosen]
        var wanted = max(log_prob, MIN_LOG_PROB) - max(batch.log_probs[row].cast[DType.float64](), MIN_LOG_PROB)
        var log_ratio = min(max(wanted, -MAX_LOG_RATIO), MAX_LOG_RATIO)
        var free = log_prob > MIN_LOG_PROB and abs(wanted) < MAX_LOG_RATIO
        var ratio = exp(log_ratio)
        var plain = ratio * advantage
        var clipped = min(max(ratio, 1.0 - self.clip_ratio), 1.0 + self.clip_ratio) * advantage
        # Where both agree, the ratio is inside of the interval, or the advantage is 0.
        var slope = -ratio * advantage if free and plain <= clipped else Float64(0)
        for i in range(len(logits)):
            var probability = choices.probabilities[i]
            var policy = slope * ((1.0 if i == chosen else 0.0) - probability)
            var bonus = self.ent_coef * probability * (choices.log_probs[i] + choices.entropy)
            gradient[i] = (weight * (policy + bonus)).cast[DType.float32]()
        var error = (value - batch.values[row]).cast[DType.float64]()
        var loss = -min(plain, clipped)
        sums.rows += 1
        sums.policy += loss
        sums.value += error * error
        sums.entropy += choices.entropy
        sums.kl += ratio - 1.0 - log_ratio
        sums.total += loss + self.vf_coef * error * error - self.ent_coef * choices.entropy
        return (weight * self.vf_coef * 2.0 * error).cast[DType.float32]()


@fieldwise_init
struct Imitation(Objective):
    """The loss of AlphaZero (Silver et al. 2017): cross-entropy to a target policy `t`, and the squared error of the
    value.

    ```text
    loss = -sum_a t_a ln p_a + vf_coef (V - R)^2        d loss / d z_j = p_j - t_j
    ```
    """

    var vf_coef: Float64
    """Weight of the value's squared error."""

    def evaluate(
        self,
        batch: Batch,
        row: Int,
        logits: Span[Float32, _],
        value: Float32,
        weight: Float64,
        gradient: MutSpan[Float32, _],
        mut sums: Sums,
    ) -> Float32:
        """See `Objective`."""
        var mask = batch.mask(row)
        var choices = Choices[MOST_ACTIONS](logits, mask)
        var cross = Float64(0)
        for i in range(len(logits)):
            var target = batch.policies[row * batch.actions_width + i].cast[DType.float64]() if mask[i] else Float64(0)
            gradient[i] = (weight * (choices.probabilities[i] - target)).cast[DType.float32]()
            cross -= target * choices.log_probs[i]
        var error = (value - batch.values[row]).cast[DType.float64]()
        sums.rows += 1
        sums.policy += cross
        sums.value += error * error
        sums.entropy += choices.entropy
        sums.total += cross + self.vf_coef * error * error
        return (weight * self.vf_coef * 2.0 * error).cast[DType.float32]()
