"""VAE/GAN: an autoencoder whose error is measured in the discriminator's features, and whose decoder is a generator."""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
from jax import Array
from jax.nn import softplus

from jaxgan.dynamics.gated import Rule
from jaxgan.losses import unit_gaussian
from jaxgan.networks.encoders import latent_of
from jaxgan.penalties.weights import check_at_least_zero
from jaxgan.priors import Prior, check_normal
from jaxgan.systems.adversary import Adversarial, LossOption, Verdict, adversary, between
from jaxgan.systems.parts import Optimizer, check_batch, check_outputs, drawn, image_logits, latents, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains


@explains
def vaegan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1e-3,
    reconstructed: float = 0.5,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """Three players and one sum of three terms, of which each minimises its own part.

    With the divergence KL = KL(q(z|x) || N(0, I)), the likeness L = 1/2 ||f(x) - f(x~)||^2 of a reconstruction
    x~ = Dec(z) in features f of the discriminator, summed over features, and the adversarial loss on samples Dec(z_p)
    and on reconstructions:

        encoder         KL + L, without an adversarial term
        decoder         weight * L + what its samples and reconstructions cost before the discriminator
        discriminator   the adversarial loss alone: L teaches it nothing

    The discriminator moves first here; in the paper all three move at once, and D or the decoder waits where it is too
    far ahead: `jg.dynamics.gated(jg.systems.margins(), jg.dynamics.simultaneous())`.

    Metrics: each player's loss; the encoder's `divergence` in nats and `likeness`; the decoder's `likeness`; the
    discriminator's logits and probabilities as in `gan`, and `penalty` where there is one; and of decoder and
    discriminator `real_cost` and `fake_cost`, -log D(x) and -log(1 - D) of what is decoded, which `margins` reads.

    Args:
      loss: of discriminator and decoder, from `jaxgan.losses`; the paper's is `minimax`.
      prior: of the latents, N(0, I): `priors.normal`.
      optimizer: one for all players, or {"discriminator": ..., "encoder": ..., "decoder": ...}.
      weight: gamma of the likeness in the decoder's loss, >= 0; L is a sum over features and so of their scale.
      reconstructed: share of reconstructions among what the discriminator refuses, in [0, 1]; the paper's is half, the
        authors' script for faces has 0.
      n_critic: discriminator updates per update of the others, >= 1.
      **adversarial: penalty, augment, replay (of samples) and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "encoder", E(x, noise) -> (z, divergence [B]) such as `networks.encoders.Gaussian`,
      "decoder" and "discriminator", a `networks.heads.Headed` with the head "logits", whose features are compared. It
      generates Dec(z) from "index" or "z", and from "x" its reconstruction, by the mean of q(z|x).
    Raises:
      ValueError: a number is out of range, the prior another one, or the optimizers are not named after the players; at
        trace time, an encoder without a divergence, or a discriminator without these outputs.
    References:
      Larsen, Sønderby, Larochelle, Winther. Autoencoding beyond pixels using a learned similarity metric. ICML 2016,
      eq. 7 and 8 and algorithm 1.
    """
    check_at_least_zero("vaegan", "weight", weight)
    if not 0 <= reconstructed <= 1:
        raise ValueError(f"vaegan needs reconstructed in [0, 1]; got {reconstructed}")
    check_normal("vaegan", prior)
    judge = adversary(loss, **adversarial)

    def rebuilt(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        z, divergences = _encoded(nets, batch, turn, prior)
        return nets["decoder"](z), divergences

    def encoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        decoded, divergences = rebuilt(nets, batch, turn)
        divergence, unlike = jnp.mean(divergences), _likeness(nets, batch["x"], decoded)
        return divergence + unlike, {"divergence": divergence, "likeness": unlike}

    def decoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        decoded, made = rebuilt(nets, batch, turn)[0], nets["decoder"](drawn(prior, batch, turn))
        verdicts = [judge.generator(nets, turn, batch["x"], images) for images in (made, decoded)]
        fools = (1 - reconstructed) * verdicts[0].loss + reconstructed * verdicts[1].loss
        unlike = _likeness(nets, batch["x"], decoded)
        costs = _costs(verdicts[0], verdicts[1].fake, reconstructed)
        return weight * unlike + fools, {"likeness": unlike} | costs

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        decoded, made = rebuilt(nets, batch, turn)[0], nets["decoder"](drawn(prior, batch, turn))
        verdict = judge.discriminator(nets, turn, batch["x"], made, [(reconstructed, decoded)])
        return verdict.loss, verdict.metrics | _costs(verdict, verdict.refused[0], reconstructed)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        if "x" not in inputs:
            return nets["decoder"](latents(prior, key, inputs))
        still = jnp.zeros_like(prior(key, inputs["x"].shape[0]))
        return nets["decoder"](latent_of(nets["encoder"](inputs["x"], still)))

    playing = players(
        optimizer,
        discriminator=("discriminator", discriminator, n_critic),
        encoder=("encoder", encoder),
        decoder=("decoder", decoder),
    )
    return between(judge, playing, generate, takes={"x": "data to reconstruct, [n, ...]"})


def _encoded(nets: Nets, batch: Batch, turn: Turn, prior: Prior) -> tuple[Array, Array]:
    """Returns latents [B, Z] drawn for the data, and their divergences [B]."""
    check_batch("vaegan", batch, x="data [B, ...]")
    encoded = nets["encoder"](batch["x"], prior(turn.named("posterior"), batch["x"].shape[0], turn.examples))
    if not isinstance(encoded, tuple) or len(encoded) != 2:
        raise ValueError("vaegan needs an encoder that returns (z, divergence), such as networks.encoders.Gaussian")
    return encoded[0], encoded[1]


def _likeness(nets: Nets, x: Array, decoded: Array) -> Array:
    outputs = [nets["discriminator"](images) for images in (x, decoded)]
    check_outputs("vaegan", outputs[0], "features", "logits")
    return unit_gaussian(outputs[0]["features"], outputs[1]["features"])


def margins(equilibrium: float = 0.68, margin: float = 0.35) -> dict[str, Rule]:
    """Returns the rules by which D or the decoder waits, for `dynamics.gated`: nobody gets far ahead.

    D waits where one of its costs is below equilibrium - margin, the decoder where one is above equilibrium + margin;
    where both would wait, both move. The costs are those of `vaegan`, and log 2 = 0.69 where D knows nothing.

    Example:
      >>> import jaxgan as jg
      >>> rules = jg.systems.margins()
      >>> {player: bool(rule({"real_cost": 0.1, "fake_cost": 0.2}, 0)) for player, rule in rules.items()}
      {'discriminator': False, 'decoder': True}

    Args:
      equilibrium: nats.
      margin: nats, >= 0.
    Returns:
      Rules of the players "discriminator" and "decoder".
    Raises:
      ValueError: margin is negative.
    References:
      Larsen et al., as in `vaegan`: in the authors' code, andersbll/autoencoding_beyond_pixels, `model/aegan.py`,
      with 0.68 and a margin of 0.35 or 0.40.
    """
    check_at_least_zero("margins", "margin", margin)

    def ahead(metrics: Metrics) -> Any:
        return jnp.minimum(metrics["real_cost"], metrics["fake_cost"]) < equilibrium - margin

    def behind(metrics: Metrics) -> Any:
        return jnp.maximum(metrics["real_cost"], metrics["fake_cost"]) > equilibrium + margin

    return {
        "discriminator": lambda metrics, step: ~ahead(metrics) | behind(metrics),
        "decoder": lambda metrics, step: ~behind(metrics) | ahead(metrics),
    }


def _costs(verdict: Verdict, rebuilt: Any, share: float) -> Metrics:
    """Returns -log D(x), and -log(1 - D) of samples and of reconstructions in their share."""
    real, made, decoded = (image_logits(outputs) for outputs in (verdict.real, verdict.fake, rebuilt))
    fake_cost = (1 - share) * jnp.mean(softplus(made)) + share * jnp.mean(softplus(decoded))
    return {"real_cost": jnp.mean(softplus(-real)), "fake_cost": fake_cost}
