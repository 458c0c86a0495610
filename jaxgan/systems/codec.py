"""Neural sound codecs: an autoencoder of few bits a second, whose sounds cannot be told from what went in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Unpack

from jax import Array

from jaxgan.losses import hinge
from jaxgan.networks.quantizers import Coded
from jaxgan.systems.adversary import Adversarial, LossOption, between, player_loss
from jaxgan.systems.heard import Distance, balanced_costs, costs, is_judged, terms_of, weighed
from jaxgan.systems.parts import Optimizer, check_batch, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains

ENCODEC_WEIGHTS = {"wave": 0.1, "spectrum": 1.0, "adversarial": 3.0, "features": 3.0}  # with a balancer, relative
DAC_WEIGHTS = {"spectrum": 15.0, "adversarial": 1.0, "features": 2.0}


@explains
def codec(
    *,
    optimizer: Optimizer,
    distance: Distance,
    loss: LossOption = hinge,
    weights: Mapping[str, float] = DAC_WEIGHTS,
    relative: bool = False,
    balancer: str | None = None,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """An encoder, a bottleneck of codes and a decoder, one player, against judges of periods and spectra.

    Its loss is a sum of terms by their weights: "wave", E |x - x^|; "spectrum", the distance given, of spectra;
    "adversarial", the loss of each judge; "features", the distance of what their layers hear; and what the bottleneck
    asks for. With a balancer each term has its weight's share of the gradient at x^, whatever its scale; the
    bottleneck's loss stands outside. Losses are sums over judges. The weights of EnCodec, which has a balancer and is
    relative, and of DAC are `systems.ENCODEC_WEIGHTS` and `DAC_WEIGHTS`. Where neither "adversarial" nor "features" has
    a weight, there is no discriminator: the codec by itself, from whose state the game can go on (`carry`).

    Metrics: each player's loss; the codec's terms without weights, `quantization`, the bottleneck's loss, what it
    counts, such as `perplexity`, and with a balancer `norm_...`, the running norms; the discriminator's as in `gan`, of
    the mean logit of all judges.

    Args:
      optimizer: one for both players, or {"discriminator": ..., "codec": ...}.
      distance: of sounds (x, x^) [B, L, C], such as `losses.mel_distance` with its rate.
      loss: what each player minimises of each judge's logits, from `jaxgan.losses`; EnCodec has `hinge`, DAC least
        squares without the 1/2.
      weights: by term, >= 0; terms without are left out.
      relative: features are compared relative to their size, as EnCodec does.
      balancer: name of a `losses.Balancer`; None: the terms are added.
      n_critic: discriminator updates per update of the codec, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them; a penalty is of the
        mean logit of each sound.
    Returns:
      System with networks "encoder", "bottleneck" (of `networks.residual_codes` or `networks.quantizers`), "decoder",
      "discriminator" (of `networks.listeners`) and the balancer. It generates from "x" what comes back, or
      from "tokens" [n, ..., books] what they say, of fewer books too; `systems.read_tokens` gives those of sounds.
    Raises:
      ValueError: unknown terms, weights out of range, a loss that remembers, or the optimizers are not named after the
        players; at trace time, a quantizer or a discriminator of another kind, or sounds unlike the data.
    References:
      Défossez, Copet, Synnaeve, Adi. High Fidelity Neural Audio Compression. TMLR 2023, section 3.4.
      Kumar, Seetharaman, Luebs, Kumar, Kumar. High-Fidelity Audio Compression with Improved RVQGAN. NeurIPS 2023.
    """
    terms = terms_of("codec", loss, weights, distance, relative, **adversarial)

    def rebuilt(nets: Nets, batch: Batch) -> tuple[Array, Array, Coded]:
        check_batch("codec", batch, x="sounds [B, L, C]")
        coded = _coded(nets, batch["x"])
        made: Array = nets["decoder"](coded.codes)
        if made.shape != batch["x"].shape:
            raise ValueError(
                f"codec needs sounds {batch['x'].shape} back; its decoder makes {made.shape}: give it the strides of "
                "the encoder, backwards, and the data's channels"
            )
        return batch["x"], made, coded

    def coding(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x, made, coded = rebuilt(nets, batch)
        norms: Metrics = {}
        if balancer is None:
            values = costs(terms, nets, turn, x, made)
            value = weighed(terms, values)
        else:
            value, values, norms = balanced_costs(terms, nets, turn, x, made, balancer)
        return value + coded.loss, values | {"quantization": coded.loss} | coded.metrics | norms

    judge, moves = terms.judge, dict[str, Any]()
    if is_judged(terms):
        discriminator = player_loss(judge.discriminator, lambda nets, batch, turn: rebuilt(nets, batch)[:2])
        moves["discriminator"] = ("discriminator", discriminator, n_critic)
    playing: dict[str, Any] = moves | {"codec": (("encoder", "bottleneck", "decoder"), coding)}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        if ("x" in inputs) == ("tokens" in inputs):
            raise ValueError(f"codec generates from 'x' or from 'tokens', one of them; got {sorted(inputs)}")
        codes = (
            _coded(nets, inputs["x"]).codes if "x" in inputs else nets["bottleneck"](inputs["tokens"], method="lookup")
        )
        made: Array = nets["decoder"](codes)
        return made

    takes = {"x": "sounds to code and decode, [n, L, C]", "tokens": "to decode, [n, ..., books] int32"}
    system = between(judge if is_judged(terms) else (), players(optimizer, **playing), generate, takes=takes)
    return system._replace(frozen=(*system.frozen, *([balancer] if balancer else [])))


def bits_per_second(rate: float, hop: int, books: int, size: int) -> float:
    """Returns what a codec sends: rate / hop frames a second, of log2(size) bits for each book.

    Example:
      >>> from jaxgan.systems.codec import bits_per_second
      >>> bits_per_second(8000, hop=16, books=4, size=64)
      12000.0
    """
    return float(rate / hop * books * math.log2(size))


def _coded(nets: Nets, x: Array) -> Coded:
    coded = nets["bottleneck"](nets["encoder"](x))
    if not isinstance(coded, Coded) or coded.tokens is None:
        raise ValueError(
            "codec needs a quantizer that returns networks.quantizers.Coded with tokens, such as "
            f"networks.residual_codes.ResidualQuantizer; got {type(coded).__name__}"
        )
    return coded
