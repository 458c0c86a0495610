"""Weights, which may follow a schedule; sums of penalties; penalties that are paid once in a while."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.checks import check_penalty
from jaxgan.types import Critic, Penalty, Schedule, Turn, explains

Weight = float | Array | Schedule  # a number >= 0, or an optax schedule of the turn's step


def weighted(name: str, weight: Weight, term: Penalty, argument: str = "weight") -> Penalty:
    """Multiplies a penalty by its weight: the one place where numbers are checked and schedules are asked.

    Args:
      name: of the penalty, for the message.
      weight: a number >= 0, or a schedule (step [] int32) -> number.
      term: (critic, real, fake, turn) -> scalar.
      argument: what the penalty calls its weight.
    Returns:
      Penalty.
    Raises:
      ValueError: the weight is a negative number.
    """
    if not callable(weight):
        check_at_least_zero(name, argument, weight)
    return lambda critic, real, fake, turn: weight_at(weight, turn) * term(critic, real, fake, turn)


def weight_at(weight: Weight, turn: Turn) -> float | Array:
    """A weight at this turn: a schedule's value at `turn.step`, or the number itself.

    For terms that are no penalties on a critic, such as `path_length`, and that a player weighs by itself.

    Example:
      >>> import jax, jax.numpy as jnp, optax, jaxgan as jg
      >>> turn = jg.Turn(jax.random.key(0), step=jnp.array(5))
      >>> jg.penalties.weight_at(10.0, turn), float(jg.penalties.weight_at(optax.linear_schedule(1.0, 0.0, 10), turn))
      (10.0, 0.5)
    """
    return weight(turn.step) if callable(weight) else weight


@explains
def total(*penalties: Penalty) -> Penalty:
    """The sum of several penalties, such as `total(r1(10.0), r2(10.0))`; zero when there are none.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> critic, x = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((2, 2))
      >>> float(jg.penalties.total(jg.penalties.r1(2.0), jg.penalties.r2(2.0))(critic, x, x, None))  # 25 + 25
      50.0
    """
    for penalty in penalties:
        check_penalty("a penalty of total", penalty)
    return lambda critic, real, fake, turn: sum(
        (p(critic, real, fake, turn) for p in penalties), start=jnp.zeros((), jnp.float32)
    )


@explains
def every(k: int, penalty: Penalty) -> Penalty:
    """Lazy regularisation: k times the penalty at steps 0, k, 2 k, ..., and nothing, at no cost, at the others.

    The mean over steps is the penalty's own. Under `vmap` over runs both branches are computed. StyleGAN2 pays R1 at
    every 16th step; for R3GAN's pair of penalties laziness is reported to ruin convergence.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> critic, real = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((2, 2))
      >>> lazy = jg.penalties.every(16, jg.penalties.r1(2.0))
      >>> turns = [jg.Turn(jax.random.key(0), jnp.array(step)) for step in (0, 1)]
      >>> [float(lazy(critic, real, None, turn)) for turn in turns]  # 16 * 25, then nothing
      [400.0, 0.0]

    Args:
      k: period in train steps, >= 1.
      penalty: what is paid.
    Returns:
      Penalty, which looks at `turn.step`.
    Raises:
      ValueError: k is not a positive integer.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020, section 3.1 (lazy regularization).
      Huang et al. The GAN is Dead; Long Live the GAN! A Modern GAN Baseline. NeurIPS 2024.
    """
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"every needs an integer k >= 1, the number of steps from one payment to the next; got {k}")
    check_penalty("the penalty of every", penalty)

    def lazy(critic: Critic, real: Array, fake: Array, turn: Turn) -> Array:
        def pay() -> Array:
            return k * penalty(critic, real, fake, turn)

        cost = jax.eval_shape(pay)
        return jax.lax.cond(turn.step % k == 0, pay, lambda: jnp.zeros(cost.shape, cost.dtype))

    return lazy


@explains
def packed(penalty: Penalty, degree: int) -> Penalty:
    """Takes a penalty of packs: its gradient's norm runs over `degree` successive examples, which share what it draws.

    For a discriminator of packs (`networks.remedies.Packed`, `networks.tabular`), as CTGAN's authors pay WGAN-GP: one
    norm, and one epsilon, for each pack. Without it the norm is that of a single example in its pack.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> pairs = lambda x: x.reshape(-1, 4) @ jnp.array([3.0, 4.0, 0.0, 12.0])  # one logit for two examples
      >>> x, turn = jnp.zeros((6, 2)), jg.Turn(jax.random.key(0), jnp.array(0))
      >>> float(jg.penalties.packed(jg.penalties.r1(2.0), degree=2)(pairs, x, x, turn))  # 13^2, of the pair
      169.0

    Args:
      penalty: of packs.
      degree: examples of a pack, >= 1; it divides the (device's part of the) batch.
    Returns:
      Penalty, mean over packs.
    Raises:
      ValueError: degree is no positive integer; at trace time, it does not divide the batch.
    References:
      Xu et al. Modeling Tabular Data using Conditional GAN. NeurIPS 2019, section 4.4.
    """
    if not isinstance(degree, int) or degree < 1:
        raise ValueError(f"packed needs an integer degree >= 1, the examples of a pack; got {degree}")
    check_penalty("the penalty of packed", penalty)

    def paid(critic: Critic, real: Any, fake: Any, turn: Turn) -> Array:
        n = jax.tree.leaves(real)[0].shape[0]
        if n % degree:
            raise ValueError(f"packed(degree={degree}) does not divide a batch of {n}; choose one after the other")
        if turn.examples is not None:
            turn = turn._replace(examples=turn.examples[::degree] // degree)

        def of_packs(x: Any) -> Array:
            return critic(jax.tree.map(lambda leaf: leaf.reshape(n, *leaf.shape[2:]), x)).reshape(n // degree, -1)

        one, other = (
            jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0] // degree, degree, *leaf.shape[1:]), x)
            for x in (real, fake)
        )
        return penalty(of_packs, one, other, turn)

    return paid


class AfterAugmentation(NamedTuple):
    """A penalty of the discriminator alone, at what it is shown; made by `after_augmentation`, for an adversary.

    Example:
      >>> import jaxgan as jg
      >>> plain = jg.penalties.r1(10.0)
      >>> jg.penalties.after_augmentation(plain).penalty is plain
      True
    """

    penalty: Penalty

    def __call__(self, *given: Any) -> Array:
        """Refuses: only an adversary knows what was augmented."""
        raise ValueError(
            "after_augmentation says where a whole penalty is taken, and stands outermost: write "
            "after_augmentation(every(16, r1(10.0))), not every(16, after_augmentation(r1(10.0)))"
        )


def after_augmentation(penalty: Penalty) -> AfterAugmentation:
    """Takes a penalty of D at augmented images T(x); without it, it is of x -> D(T(x)) at x, as StyleGAN2-ADA's R1.

    The two differ by what T does to a gradient: where it makes images smaller or fainter, slopes through it are
    smaller. Without an augmentation they are the same.

    Example:
      >>> import jaxgan as jg
      >>> colours = jg.augment.diffaugment("color")
      >>> penalty = jg.penalties.after_augmentation(jg.penalties.every(16, jg.penalties.r1(10.0)))
      >>> judge = jg.systems.adversary(jg.losses.non_saturating, penalty=penalty, augment=colours)
      >>> jg.penalties.every(16, jg.penalties.after_augmentation(jg.penalties.r1(10.0)))(None, None, None, None)
      Traceback (most recent call last):
          ...
      ValueError: after_augmentation says where a whole penalty is taken, and stands outermost: write ...

    Args:
      penalty: the whole of it, such as `every(16, r1(10.0))`.
    Returns:
      What `systems.adversary` and every system take as their `penalty`.
    References:
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020 (the authors' code
      differentiates by the image before its augmentation).
    """
    return AfterAugmentation(penalty)


def is_absent(weight: Weight) -> bool:
    """Says whether a term of this weight is left out of the program: only where it is the number 0.

    A schedule, or an array as `parallel.sweep` gives it, may be 0 at one step or in one member and not in the next.
    """
    return not callable(weight) and not isinstance(weight, Array) and weight == 0


def check_at_least_zero(function: str, name: str, value: float | Array) -> None:
    """Raises ValueError for a negative number or NaN; a sweep traces its values, and those are not looked at."""
    if not isinstance(value, jax.core.Tracer) and not value >= 0:
        wanted = "a weight >= 0" if name == "weight" else f"{name} >= 0"
        raise ValueError(f"{function} needs {wanted}; got {value}")
