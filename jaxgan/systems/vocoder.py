"""Vocoders: sounds from their mel spectrograms, which say nothing of phases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from jax import Array

from jaxgan.losses import least_squares
from jaxgan.systems.adversary import Adversarial, LossOption, between, player_loss
from jaxgan.systems.heard import Distance, costs, is_judged, terms_of, weighed
from jaxgan.systems.parts import Optimizer, check_batch, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains

HIFI_WEIGHTS = {
    "spectrum": 45.0,
    "adversarial": 2.0,
    "features": 2.0,
}  # of least squares with the 1/2, which the paper omits


@explains
def vocoder(
    *,
    optimizer: Optimizer,
    distance: Distance,
    loss: LossOption = least_squares,
    weights: Mapping[str, float] = HIFI_WEIGHTS,
    relative: bool = False,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator of sounds from spectra, near the truth's spectrum, against judges of periods and resolutions.

    The batch has sounds "x" [B, L, C] and their spectra "mel" [B, frames, bands], which the generator is given. Its
    loss is a sum of terms by their weights, as `codec` has: "wave", "spectrum", "adversarial" and "features". Where the
    last two have none, there is no discriminator.

    Metrics: each player's loss; the generator's terms without weights; the discriminator's as in `gan`, of the mean
    logit of all judges.

    Args:
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      distance: of sounds (x, made) [B, L, C], such as `losses.mel_distance` with its rate; the paper's is of one window
        of 1024 samples and 80 bands, in natural logarithms (2.3 times as large).
      loss: what each player minimises of each judge's logits, from `jaxgan.losses`; the sum over judges counts.
      weights: by term, >= 0; terms without are left out. The default is HiFi-GAN's, `systems.HIFI_WEIGHTS`.
      relative: features are compared relative to their size.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them; a penalty is of the
        mean logit of each sound.
    Returns:
      System with networks "generator" (`networks.codecs.HiFiGenerator`) and "discriminator" (of `networks.listeners`).
      It generates from "mel".
    Raises:
      ValueError: unknown terms, weights out of range, a loss that remembers, or the optimizers are not named after the
        players; at trace time, no "mel" in the batch, a discriminator of another kind, or sounds unlike the data.
    References:
      Kong, Kim, Bae. HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis.
      NeurIPS 2020, eq. 1 to 8.
    """
    terms = terms_of("vocoder", loss, weights, distance, relative, **adversarial)

    def sounding(nets: Nets, batch: Batch) -> tuple[Array, Array]:
        check_batch("vocoder", batch, x="sounds [B, L, C]", mel="their spectra [B, frames, bands]")
        made: Array = nets["generator"](batch["mel"])
        if made.shape != batch["x"].shape:
            sizes = f"sounds {batch['x'].shape} from spectra {batch['mel'].shape} by 'generator'; it makes {made.shape}"
            raise ValueError(f"vocoder needs {sizes}: its rates multiply to the hop of the spectra")
        return batch["x"], made

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        values = costs(terms, nets, turn, *sounding(nets, batch))
        return weighed(terms, values), values

    moves: dict[str, Any] = {}
    if is_judged(terms):
        discriminator = player_loss(terms.judge.discriminator, lambda nets, batch, turn: sounding(nets, batch))
        moves["discriminator"] = ("discriminator", discriminator, n_critic)
    moves["generator"] = ("generator", generator)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        made: Array = nets["generator"](inputs["mel"])
        return made

    playing = players(optimizer, **moves)
    asks = {"mel": "spectra [n, frames, bands]"}
    return between(terms.judge if is_judged(terms) else (), playing, generate, asks=asks)
