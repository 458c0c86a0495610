"""The vocabulary of systems: an `Adversary` is a `Loss` raised from logits to what a discriminator is shown.

    Loss        discriminator, generator: (real_logits, fake_logits)  -> scalar
    Adversary   discriminator, generator: (nets, turn, real, fake)    -> Verdict

`real` and `fake` are the discriminator's arguments: x, or a tuple whose first `judged` entries differ between the sides
and are penalised, while the others are conditions. Augmentation, replay, heads, losses that follow a schedule or
remember, the penalty and metrics are here, once, so that every option exists in every system that is written with it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan import losses
from jaxgan.checks import check_function, check_penalty
from jaxgan.game import frozen
from jaxgan.penalties.weights import AfterAugmentation
from jaxgan.systems.parts import image_logits, logit_metrics
from jaxgan.types import (
    Augment,
    Batch,
    Critic,
    Inputs,
    Loss,
    LossFn,
    Metrics,
    Nets,
    Penalty,
    Player,
    System,
    Turn,
    explains,
)

LossOption = Loss | Callable[[Turn], Loss] | str  # a pair, a function of the turn that returns one, or a memory's name
Arguments = tuple[Any, ...]  # of a discriminator: what is judged, then conditions


class Adversarial(TypedDict, total=False):
    """What every discriminator-based system takes besides, as `adversary` does.

    Strings are names of networks of the game that nobody owns and that remember. A system of several discriminators
    numbers them as it numbers these: with `replay="pool"` that of "discriminator_1" is "pool_1".
    """

    penalty: Penalty | AfterAugmentation | None  # added to the discriminator's loss, from `jaxgan.penalties`
    augment: Augment | str | None  # of all that it sees, from `jaxgan.augment`; or the name of an `augment.Adaptive`
    replay: str | None  # name of a `networks.remedies.Replay`, through which it meets earlier samples again
    regularizer: str | None  # name of a memory of logits whose cost is added to its loss: a `penalties.LeCam`


class Verdict(NamedTuple):
    """What came of showing a discriminator what is real and what is not."""

    loss: Array  # [] what the player of this side minimises; of the discriminator's side, with its penalty
    metrics: Metrics
    real: Any  # the discriminator's outputs for what is real: logits [B, ...], by head, or images before pixels
    fake: Any
    real_shown: Arguments  # what it was shown as real: augmented, with conditions
    fake_shown: Arguments  # likewise, and of the discriminator's side after replay
    refused: tuple[Any, ...] = ()  # its outputs for what else is not real


class Adversary(NamedTuple):
    """A discriminator and its game; `real` and `fake` are its arguments: x, or a tuple (x, *conditions).

    Of the discriminator's side, `refused` are further arguments that are not real, each with its share in [0, 1]: then
    its loss is that of (real, fake) in the share that is left, plus that of (real, refused) in theirs.
    """

    discriminator: Callable[..., Verdict]  # (nets, turn, real, fake, refused=()), for the player that owns it
    generator: Callable[[Nets, Turn, Any, Any], Verdict]  # for the player that made `fake`
    memories: tuple[str, ...] = ()  # networks that nobody owns and that remember: `System.frozen`


def adversary(
    loss: LossOption,
    network: str = "discriminator",
    *,
    penalty: Penalty | AfterAugmentation | None = None,
    augment: Augment | str | None = None,
    replay: str | None = None,
    regularizer: str | None = None,
    judged: int = 1,
    logits: Callable[[Any], Any] = image_logits,
) -> Adversary:
    """Sets up a discriminator: how it is shown what is real and what is not, and what that costs either side.

    Metrics of the discriminator's side: `real_logits` and `fake_logits`, their sigmoids' means `real_probability` and
    `fake_probability`, those of an adaptive augmentation or a loss that remembers, `penalty` and `regularizer`.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> judge = jg.systems.adversary(jg.losses.wasserstein)
      >>> nets = {"discriminator": lambda x: x.sum(axis=1)}
      >>> verdict = judge.discriminator(nets, None, jnp.ones((4, 2)), jnp.zeros((4, 2)))
      >>> float(verdict.loss), float(verdict.metrics["real_logits"])
      (-2.0, 2.0)

    Args:
      loss: what either side minimises, from `jaxgan.losses`; a function of the turn that returns it; or the name of a
        network with the methods `discriminator`, `generator` and `observe`, a loss that remembers
        (`losses.Equilibrium`).
      network: name of the discriminator.
      penalty: of the critic x -> logits at fixed conditions, at what is judged: an array, or a tuple where judged > 1.
        With an augmentation T the critic is x -> D(T(x)), at data and samples before it, and T is the one of the data
        in this turn, as in StyleGAN2-ADA; `penalties.after_augmentation(penalty)` is of D alone, at T(x).
      augment: of the first argument, or of every array of it; or the name of an adaptive augmentation.
      replay: name of a pool of earlier samples, which come back with their conditions.
      regularizer: name of a memory called with real and fake logits, whose output is added to the loss.
      judged: how many arguments differ between real and fake, >= 1; the others are conditions.
      logits: of the discriminator's outputs, what the loss compares.
    Returns:
      Adversary.
    Raises:
      ValueError: judged < 1; at trace time, sides of different structure or shapes, or a penalty beside a replay of
        samples with conditions.
    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, algorithm 1.
    """
    if judged < 1:
        raise ValueError(f"adversary needs judged >= 1; got {judged}")
    _check_options(loss, penalty, augment)
    shown = functools.partial(_shown, augment, "" if network == "discriminator" else f"{network} ")

    def discriminator(
        nets: Nets, turn: Turn, real: Any, fake: Any, refused: Sequence[tuple[float, Any]] = ()
    ) -> Verdict:
        real, fake = _sides(network, real, fake, judged)
        if replay and penalty and fake[judged:]:
            raise ValueError(_REPLAYED.format(replay))
        if replay:
            fake = _arguments(nets[replay](fake if fake[1:] else fake[0]))
        data, made = real, fake
        real, fake = shown(nets, turn, real, "real"), shown(nets, turn, fake, "fake")
        others = [shown(nets, turn, _arguments(x), f"refused {k}") for k, (_, x) in enumerate(refused)]
        real_outputs, fake_outputs, *refused_outputs = (nets[network](*x) for x in (real, fake, *others))
        real_logits, fake_logits = logits(real_outputs), logits(fake_outputs)
        pair, shares = loss_at(loss, nets, turn), [share for share, _ in refused]
        value = pair.discriminator(real_logits, fake_logits)
        value = (1 - sum(shares)) * value if shares else value
        for share, outputs in zip(shares, refused_outputs, strict=True):
            value = value + share * pair.discriminator(real_logits, logits(outputs))
        of_images = image_logits(real_logits), image_logits(fake_logits)
        metrics = logit_metrics(*of_images)
        for memory in (augment, loss):
            metrics |= _observed(nets, memory, of_images[0])
        if regularizer:
            cost = nets[regularizer](*of_images)
            value, metrics = value + cost, metrics | {"regularizer": cost}
        if penalty is not None:
            critic, before = _critic(nets[network], logits, real[judged:]), (data, made)
            pure = {augment: frozen(nets[augment])} if isinstance(augment, str) else {}
            through = _behind(critic, lambda x: shown(pure, turn, x, "real"))
            cost = _paid(penalty, (through, before), (critic, (real, fake)), judged, turn)
            value, metrics = value + cost, metrics | {"penalty": cost}
        return Verdict(value, metrics, real_outputs, fake_outputs, real, fake, tuple(refused_outputs))

    def generator(nets: Nets, turn: Turn, real: Any, fake: Any) -> Verdict:
        real, fake = _sides(network, real, fake, judged)
        fake = shown(nets, turn, fake, "fake")
        fake_outputs = nets[network](*fake)
        real = shown(nets, turn, real, "real")
        real_outputs = nets[network](*real)  # compiled away where the loss ignores it
        value = loss_at(loss, nets, turn).generator(logits(real_outputs), logits(fake_outputs))
        return Verdict(value, {}, real_outputs, fake_outputs, real, fake)

    memories = tuple(name for name in (replay, augment, regularizer, loss) if isinstance(name, str))
    return Adversary(discriminator, generator, memories)


@explains
def between(
    adversaries: Adversary | Sequence[Adversary],
    playing: dict[str, Player],
    generate: Callable[[Nets, Array, Inputs], Any],
    *,
    asks: Mapping[str, str] | None = None,
    takes: Mapping[str, str] | None = None,
) -> System:
    """Returns the system of these players; what its adversaries remember needs no further word.

    Args:
      adversaries: one, or several.
      playing: by name, in the order of their turns, from `players`.
      generate: how it is used once trained.
      asks: inputs that it needs, in words.
      takes: inputs that it may be given; "index" and "z" stand for the latents of a prior.
    """
    several = [adversaries] if isinstance(adversaries, Adversary) else adversaries
    memories = dict.fromkeys(name for each in several for name in each.memories)
    return System(playing, None, generate, tuple(memories), asks, takes)


def numbered(options: Adversarial, number: int | str) -> Adversarial:
    """Returns the options of one of several discriminators: memories end in its number, or letter, as it does."""
    own = {name: f"{value}_{number}" if isinstance(value, str) else value for name, value in options.items()}
    return Adversarial(**own)  # type: ignore[typeddict-item]


def loss_at(loss: LossOption, nets: Nets, turn: Turn) -> Loss:
    """Returns the pair of objectives of this turn."""
    if isinstance(loss, str):
        return Loss(*(functools.partial(nets[loss], method=side) for side in Loss._fields))
    return loss if isinstance(loss, Loss) else loss(turn)


def changed(loss: LossOption, change: Callable[[Loss], Loss]) -> LossOption:
    """Returns a loss whose objectives are changed in every turn: one that a system needs of another form.

    Args:
      loss: as `adversary` takes it, but for a network that remembers.
      change: pair of objectives -> pair of objectives.
    Raises:
      ValueError: the loss is the name of a network, which has its own form.
    """
    _check_options(loss, None, None)
    if isinstance(loss, str):
        raise ValueError(f"loss={loss!r} is a network that remembers, which this system cannot change; give a Loss")
    return change(loss) if isinstance(loss, Loss) else lambda turn: change(loss(turn))


def player_loss(side: Callable[..., Verdict], show: Callable[..., tuple[Any, ...]]) -> LossFn:
    """Returns the loss of a player that minimises a verdict and nothing else; `show` gives what the verdict is of."""

    def value(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        return side(nets, turn, *show(nets, batch, turn))[:2]

    return value


def _check_options(loss: Any, penalty: Any, augment: Any) -> None:
    """Raises where an option is of another kind: a loss by its name, a penalty that is not called."""
    if isinstance(loss, str) and isinstance(getattr(losses, loss, None), Loss):
        raise ValueError(f"loss={loss!r} would be a network that remembers; the loss itself is jg.losses.{loss}")
    if not isinstance(loss, Loss | str):
        check_function("loss", loss, "Loss", ("turn",), "jg.losses.hinge, or another")
    if penalty is not None:
        check_penalty("penalty", penalty)
    if augment is not None and not isinstance(augment, str):
        check_function("augment", augment, "Augment", ("x", "turn", "use"))


_REPLAYED = (
    "replay={!r} brings samples back with their own conditions, but a penalty compares real and fake at the same ones; "
    "leave one of the two out"
)


def _shown(augment: Augment | str | None, prefix: str, nets: Nets, turn: Turn, x: Arguments, use: str) -> Arguments:
    """Returns what a discriminator sees; `prefix` lets two discriminators of one player draw each their own.

    Of a first argument that is several arrays each draws its own too.
    """
    if augment is None:
        return x
    transform = nets[augment] if isinstance(augment, str) else augment
    leaves, form = jax.tree.flatten(x[0])
    uses = [f"{prefix}{use} {k}" if k else prefix + use for k in range(len(leaves))]
    moved = [transform(leaf, turn, each) for leaf, each in zip(leaves, uses, strict=True)]
    return (jax.tree.unflatten(form, moved), *x[1:])


def _critic(net: Any, logits: Callable[[Any], Any], conditions: Arguments) -> Critic:
    """Returns what a penalty differentiates: a pure view x -> logits of images, at these conditions."""
    view = frozen(net)
    return lambda x: image_logits(logits(view(*_arguments(x), *conditions)))


def _behind(critic: Critic, transform: Callable[[Arguments], Arguments]) -> Critic:
    """Returns x -> critic(transform(x)), of one array or of a tuple of them."""
    return lambda x: critic(transform(x) if isinstance(x, tuple) else transform((x,))[0])


def _paid(
    penalty: Penalty | AfterAugmentation,
    before: tuple[Critic, tuple[Arguments, Arguments]],
    after: tuple[Critic, tuple[Arguments, Arguments]],
    judged: int,
    turn: Turn,
) -> Array:
    """Returns a penalty at both sides before the augmentation, through it; or after it, where that is asked for."""
    pay, (critic, sides) = (penalty.penalty, after) if isinstance(penalty, AfterAugmentation) else (penalty, before)
    one, other = (x[0] if judged == 1 else x[:judged] for x in sides)
    return pay(critic, one, other, turn)


def _observed(nets: Nets, memory: Any, real_logits: Array) -> Metrics:
    return nets[memory](real_logits, method="observe") if isinstance(memory, str) else {}


def _arguments(x: Any) -> Arguments:
    return x if isinstance(x, tuple) else (x,)


def _sides(network: str, real: Any, fake: Any, judged: int) -> tuple[Arguments, Arguments]:
    """Returns both sides as arguments, which must agree in what is judged."""
    real, fake = _arguments(real), _arguments(fake)
    one, other = (jax.tree.map(jnp.shape, x[:judged]) for x in (real, fake))
    if len(real) != len(fake) or len(real) < judged:
        raise ValueError(
            f"{network!r} is shown {len(real)} arguments as real and {len(fake)} as fake, of which it judges {judged}; "
            "show it the same on both sides"
        )
    if one != other:
        one, other = (x[0] if judged == 1 else x for x in (one, other))
        remedy = "choose the size and channels of the networks after the data"
        raise ValueError(f"{network!r} is shown {one} as real, but the generator makes {other}; {remedy}")
    return real, fake
