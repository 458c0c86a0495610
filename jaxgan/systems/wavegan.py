"""WaveGAN: sound by the Wasserstein game with a gradient penalty."""

from __future__ import annotations

from typing import Any, Unpack

from jaxgan.losses import wasserstein
from jaxgan.penalties import gradient_penalty
from jaxgan.priors import Prior, uniform
from jaxgan.systems.adversary import Adversarial, LossOption
from jaxgan.systems.gan import gan
from jaxgan.systems.parts import Optimizer
from jaxgan.types import System, explains


@explains
def wavegan(
    *,
    optimizer: Optimizer,
    prior: Prior | None = None,
    loss: LossOption = wasserstein,
    n_critic: int = 5,
    **adversarial: Unpack[Adversarial],
) -> System:
    """The game of `gan` with WaveGAN's settings; what is its own, phase shuffle, is in `networks.wavegan`.

    Signals x [B, L, C]; where the batch has labels "y", or another condition, both networks receive it, which the
    paper's do not. Metrics, labels and `generate` are as in `gan`.

    Args:
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}; the paper's is
        `optax.adam(1e-4, b1=0.5, b2=0.9)`.
      prior: the latents; None: the paper's, 100 uniform numbers in [-1, 1).
      loss: what each player minimises, from `jaxgan.losses`.
      n_critic: discriminator updates per generator update, >= 1; a batch then holds n_critic minibatches.
      **adversarial: penalty (the paper's `gradient_penalty(10.0)` if it is left out; None: none), augment, replay and
        regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator", such as `networks.wavegan.WaveGenerator` and
      `WaveDiscriminator`.
    Raises:
      ValueError: as `gan`.
    References:
      Donahue, McAuley, Puckette. Adversarial Audio Synthesis. ICLR 2019, section 3 and appendix E.
    """
    settings: Any = {"penalty": gradient_penalty(10.0)} | adversarial
    return gan(loss=loss, prior=prior or uniform(100), optimizer=optimizer, n_critic=n_critic, **settings)
