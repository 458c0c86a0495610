"""Density ratios by telling apart: a discriminator without a generator, whose logit is log p/q."""

from __future__ import annotations

from typing import Any, Unpack

from jax import Array

from jaxgan.losses import minimax
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, players, shuffled
from jaxgan.types import Batch, Inputs, Nets, System, Turn, explains


@explains
def density_ratio(
    *, optimizer: Optimizer, loss: LossOption = minimax, n_critic: int = 1, **adversarial: Unpack[Adversarial]
) -> System:
    """Tells draws of p from draws of q; the Bayes classifier of as many of each has the logit log p(x)/q(x).

    So its mean over p is KL(p || q) and minus its mean over q is KL(q || p). Where the two hardly overlap (a divergence
    of 5 nats and more) a batch holds no example that contradicts a larger logit, and what is learned is a guess.

    Metrics: the player's loss; `real_logits` and `fake_logits`, the means over p and over q, in nats once learned;
    their probabilities as in `gan`, and `penalty` where there is one.

    Args:
      optimizer: of the player, or {"discriminator": ...}.
      loss: its discriminator's side counts; of a logistic one (`minimax`, `non_saturating`) the logit is log p/q, of
        others it is another function of the ratio.
      n_critic: updates in a step, >= 1.
      **adversarial: penalty, augment, replay (of q) and regularizer, as `systems.adversary` takes them; each of them
        moves the logit away from the log ratio.
    Returns:
      System with the network "discriminator", D(x) -> logits [B], and batches of "p" and "q", [B, ...] each. It
      generates log p/q [n], from "x" [n, ...].
    Raises:
      ValueError: the optimizers are not named after the player; at trace time, batches without "p" and "q", or of
        different shapes.
    References:
      Sugiyama, Suzuki, Kanamori. Density Ratio Estimation in Machine Learning. Cambridge 2012, chapter 4.
      Mohamed, Lakshminarayanan. Learning in Implicit Generative Models. 2016, section 3.1.
    """
    judge = adversary(loss, **adversarial)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, ...]:
        check_batch("density_ratio", batch, p="draws of one density [B, ...]", q="draws of the other")
        return batch["p"], batch["q"]

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        return nets["discriminator"](inputs["x"])

    playing = players(optimizer, discriminator=("discriminator", player_loss(judge.discriminator, shown), n_critic))
    return between(judge, playing, generate, asks={"x": "where log p/q is asked for, [n, ...]"})


@explains
def mutual_information(
    *, optimizer: Optimizer, loss: LossOption = minimax, n_critic: int = 1, **adversarial: Unpack[Adversarial]
) -> System:
    """Tells pairs (x, y) from pairs that do not belong together: the logit is log p(x, y) / (p(x) p(y)).

    Its mean over pairs is the mutual information I(x; y). Strangers are made by a cyclic shift of the global batch by a
    number of places that is drawn in every turn, so that nobody meets its own partner, on any number of devices.

    Metrics: those of `density_ratio`; `real_logits` is the mutual information in nats, once learned.

    Args:
      optimizer: as in `density_ratio`.
      loss: as in `density_ratio`.
      n_critic: as in `density_ratio`.
      **adversarial: as in `density_ratio`; an augmentation is of x.
    Returns:
      System with the network "discriminator", D(x, y) -> logits [B], such as `networks.joint.Joint`, and batches of "x"
      and "y", [B, ...] each. It generates log p(x, y)/(p(x) p(y)) [n], from "x" and "y".
    Raises:
      ValueError: as in `density_ratio`; at trace time, batches without "x" and "y", or of a single example.
    References:
      Belghazi et al. Mutual Information Neural Estimation. ICML 2018, section 3 (by another bound).
      Brakel, Bengio. Learning Independent Features with Adversarial Nets for Non-linear ICA. 2017, section 3 (the
      discriminator of joint and shuffled samples).
    """
    judge = adversary(loss, judged=2, **adversarial)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, ...]:
        check_batch("mutual_information", batch, x="one of a pair [B, ...]", y="the other [B, ...]")
        return (batch["x"], batch["y"]), (batch["x"], shuffled(batch["y"], turn))

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        return nets["discriminator"](inputs["x"], inputs["y"])

    playing = players(optimizer, discriminator=("discriminator", player_loss(judge.discriminator, shown), n_critic))
    return between(judge, playing, generate, asks={"x": "one of a pair, [n, ...]", "y": "the other, [n, ...]"})
