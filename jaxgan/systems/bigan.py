"""BiGAN and ALI: an encoder and a generator whose pairs of data and latents cannot be told apart."""

from __future__ import annotations

from typing import Any, Unpack

from jax import Array

from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, loss_at, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, drawn, encodes, image_logits, latents, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains


@explains
def bigan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    noise: Prior | None = None,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A discriminator of pairs (x, z): data with their encoding are real, latents with their sample are not.

    Encoder and generator are one player and minimise the discriminator's loss with the labels swapped on both sides:
    the encoder has its gradient from the real pair alone, the generator from the other. At the optimum E inverts G.
    With a stochastic encoder it is ALI, E(x, noise) = mu(x) + sigma(x) noise, a `networks.encoders.Gaussian`. The
    authors of both move all networks at one point: `dynamics.simultaneous()`.

    The discriminator is called D(x, z), once for each side; under batch normalisation each side has statistics of its
    own. ALI's sees both in one batch, which without such statistics, as in its experiments, is the same.

    Metrics: each player's loss; the discriminator's logits and probabilities as in `gan`, and `penalty` where there is
    one. A mean probability of 1/2 is the optimum, but not what healthy runs show: there it parts the sides well.

    Args:
      loss: what the discriminator minimises, from `jaxgan.losses`; its generator's side is not used.
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      noise: of a stochastic encoder, from `jaxgan.priors`; None: it is called E(x).
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty (of x and z together), augment (of x), replay (of pairs) and regularizer, as
        `systems.adversary` takes them.
    Returns:
      System with networks "encoder", "generator" and "discriminator". It generates from "index" or "z", and of "x"
      [n, ...] the reconstructions G(E(x)).
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, a batch without "x", or pairs of
        different shapes.
    References:
      Donahue, Krähenbühl, Darrell. Adversarial Feature Learning. ICLR 2017, eq. 3.
      Dumoulin et al. Adversarially Learned Inference. ICLR 2017, eq. 2 and section 2.1.
    """
    judge, encode = adversary(loss, judged=2, **adversarial), encodes(noise)

    def pairs(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any]:
        check_batch("bigan", batch, x="data [B, ...]")
        x, z = batch["x"], drawn(prior, batch, turn)
        return (x, encode(nets, x, turn.named("noise"), turn.examples)), (nets["generator"](z), z)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict = judge.generator(nets, turn, *pairs(nets, batch, turn))
        swapped = image_logits(verdict.fake), image_logits(verdict.real)
        return loss_at(loss, nets, turn).discriminator(*swapped), {}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        given = "x" in inputs
        z = encode(nets, inputs["x"], key, inputs.get("index")) if given else latents(prior, key, inputs)
        return nets["generator"](z)

    playing = players(
        optimizer,
        discriminator=("discriminator", player_loss(judge.discriminator, pairs), n_critic),
        generator=(("encoder", "generator"), generator),
    )
    return between(judge, playing, generate, takes={"x": "data to reconstruct, [n, ...] float32"})
