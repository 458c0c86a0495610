"""Adversarial tokenizers: an autoencoder with a bottleneck of codes, whose decoder a discriminator sharpens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.game import frozen
from jaxgan.game import game as made_of
from jaxgan.losses import absolute_error, adaptive_weight
from jaxgan.losses import content as content_distance
from jaxgan.losses.features import Distance
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, optimizers_of, players
from jaxgan.types import Batch, Game, Inputs, Metrics, Nets, PyTree, System, TrainState, Turn, by_path, explains


@explains
def tokenizer(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    weight: float = 0.8,
    last: str | None = "last/kernel",
    start: int = 0,
    perceptual: float | Mapping[str, float] = 0.0,
    distance: Distance = "absolute",
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """An encoder, a bottleneck and a decoder rebuild pictures through few codes; a discriminator sees what is smooth.

    VQGAN, MAGVIT-v2, LlamaGen and latent diffusion's autoencoder are this game with bottlenecks of their own, from
    `networks.quantizers`: `VQ`, `EMAVQ`, `FSQ`, `LookupFree`, or the `Normal` law of a KL autoencoder. The player
    "tokenizer" minimises R + the bottleneck's loss + weight a_t A: R is the distance of pixels plus `perceptual` times
    that of features in "features", a network that is given (`networks.pretrained`); A its adversarial loss, weighted by
    a_t = ||dR/dw|| / ||dA/dw|| at w, the decoder's parameter `last` (`losses.adaptive_weight`). The discriminator sees
    pictures and what is made of them.

    Before step `start`, weight a_t is zero and the discriminator stays as it is: parameters and all that its optimizer
    remembers, as with `optax.conditionally_mask`. (Gradients of zero would let Adam count on, and its first true step
    be many times as long.) With weight=0 there is no discriminator: the plain autoencoder, to start from (`carry`) or
    to compare with.

    Metrics: each player's loss; the tokenizer's `l1` (mean |x - x'|), `quantization` (the bottleneck's loss) and the
    bottleneck's own, such as `perplexity`; `perceptual`; `adversarial`, A, and `weight`, with the share and a_t; the
    discriminator's as in `gan`.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`; VQGAN's is `hinge`, MaskGIT's `non_saturating`.
      optimizer: one for both players, or {"tokenizer": ..., "discriminator": ...}.
      weight: of the adversarial loss, >= 0, a share of the reconstruction's gradient where it adapts.
      last: path of the decoder's parameter where it adapts, "name/kernel"; None: a_t = 1.
      start: train step from which the discriminator plays, >= 0; VQGAN's are 250,000, LlamaGen's 20,000.
      perceptual: of the distance in features, or by layer, >= 0.
      distance: "absolute" or "squared", of pixels and of features.
      n_critic: discriminator updates per tokenizer update, >= 1.
      **adversarial: penalty, augment, replay and regularizer (a `penalties.LeCam`), as `systems.adversary` takes them.
    Returns:
      System with networks "encoder", "bottleneck", "decoder", "discriminator" unless weight is 0, and "features" unless
      perceptual is. It generates from "x" [n, ...] what it makes of them, or from "tokens" [n, ...] int32.
    Raises:
      ValueError: a weight or start out of range, an unknown distance, or optimizers that are not named after the
        players; at trace time, no "x", pictures of another size than the data, or no such parameter in the decoder.
    References:
      Esser, Rombach, Ommer. Taming Transformers for High-Resolution Image Synthesis. CVPR 2021, eq. 4 to 7.
      Yu et al. Language Model Beats Diffusion: Tokenizer is Key to Visual Generation. ICLR 2024, section 3.
    """
    layers = list(perceptual.values()) if isinstance(perceptual, Mapping) else [perceptual]
    if not min(weight, start, *layers) >= 0:
        raise ValueError(f"tokenizer needs weights and start >= 0; got {weight}, {perceptual} and {start}")
    judge, looks = adversary(loss, **adversarial), any(layers)

    def tokenize(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        coded, made = _rebuilt(nets, batch)

        def reconstruction(made: Array) -> tuple[Array, Metrics]:
            value = content_distance(batch["x"], made, distance=distance)
            parts = {"l1": absolute_error(batch["x"], made)}
            if looks:
                features = frozen(nets["features"])
                parts["perceptual"] = content_distance(features(batch["x"]), features(made), perceptual, distance)
                value = value + parts["perceptual"]
            return value, parts

        value, metrics = reconstruction(made)
        metrics |= {"quantization": coded.loss, **coded.metrics}
        if weight:
            pure = {**nets, **{name: frozen(nets[name]) for name in ("discriminator", *judge.memories)}}

            def fools(made: Array) -> Array:
                return judge.generator(pure, turn, batch["x"], made).loss

            metrics["adversarial"] = fools(made)
            share = jnp.asarray(weight, jnp.float32)
            if last is not None:
                decode, place = _last_layer(nets["decoder"], last, coded.codes)
                rec, adv = lambda w: reconstruction(decode(w))[0], lambda w: fools(decode(w))
                share = share * adaptive_weight(rec, adv, place, average=turn.average)
            metrics["weight"] = jnp.where(turn.step >= start, share, 0.0)
            value = value + metrics["weight"] * metrics["adversarial"]
        return value + coded.loss, metrics

    moves: dict[str, Any] = {"tokenizer": (("encoder", "bottleneck", "decoder"), tokenize)}
    if weight:
        shown = player_loss(judge.discriminator, lambda nets, batch, turn: (batch["x"], _rebuilt(nets, batch)[1]))
        moves["discriminator"] = ("discriminator", shown, n_critic)
    optimizers = optimizers_of(optimizer, tuple(moves))
    if weight and start:
        waiting = optax.conditionally_mask(optimizers["discriminator"], lambda update: update >= start * n_critic)
        optimizers["discriminator"] = waiting
    takes = {"x": "pictures to rebuild", "tokens": "codes to decode, int32"}
    system = between(judge if weight else (), players(optimizers, **moves), _decoded, takes=takes)
    return system._replace(frozen=(*system.frozen, *(["features"] if looks else [])))


def read_tokens(game: Game, state: TrainState, x: Array) -> Array:
    """Returns the tokens of pictures, by averages where the game keeps them; what its system generates from "tokens".

    Args:
      game: of a `tokenizer`, or another with networks "encoder" and "bottleneck".
      state: its train state.
      x: [n, ...], like the data.
    Returns:
      [n, ...] int32, a token for every place.
    Raises:
      ValueError: the bottleneck has no tokens.
    """
    if game.system is None or game.networks is None:
        raise ValueError("read_tokens needs a game that was made by jg.game")

    def read(nets: Nets, key: Array, inputs: Inputs) -> Array:
        tokens: Array | None = nets["bottleneck"](nets["encoder"](inputs["x"])).tokens
        if tokens is None:
            raise ValueError(
                "this bottleneck has no tokens: a normal law's codes are vectors; read its encoder's means"
            )
        return tokens

    reader = made_of(game.networks, game.system._replace(generate=read))
    tokens: Array = reader.generate(state, state.key, {"x": x})
    return tokens


def _rebuilt(nets: Nets, batch: Batch) -> tuple[Any, Array]:
    """Returns what the bottleneck makes of a batch, and the pictures that the decoder makes of that."""
    check_batch("tokenizer", batch, x="pictures")
    coded = nets["bottleneck"](nets["encoder"](batch["x"]))
    made: Array = nets["decoder"](coded.codes)
    if made.shape != batch["x"].shape:
        raise ValueError(
            f"tokenizer is shown {batch['x'].shape}, but its decoder makes {made.shape}; choose the halvings and "
            "channels of the networks after the data"
        )
    return coded, made


def _last_layer(decoder: Any, last: str, codes: Array) -> tuple[Any, Array]:
    """Returns the decoder as a function of one of its parameters, at these codes, and that parameter."""
    parameters = by_path(decoder.params)
    if last not in parameters:
        raise ValueError(f"last={last!r} is no parameter of the decoder; it has {sorted(parameters)}")

    def decode(value: PyTree) -> Array:
        def swapped(path: Any, leaf: Array) -> Array:
            return value if jax.tree_util.keystr(path, simple=True, separator="/") == last else leaf

        params = jax.tree_util.tree_map_with_path(swapped, decoder.params)
        made: Array = frozen(decoder._replace(params=params))(codes)
        return made

    return decode, parameters[last]


def _decoded(nets: Nets, key: Array, inputs: Inputs) -> Array:
    if "tokens" in inputs:
        codes = nets["bottleneck"](inputs["tokens"], method="lookup")
    elif "x" in inputs:
        codes = nets["bottleneck"](nets["encoder"](inputs["x"])).codes
    else:
        raise ValueError("a tokenizer is asked with 'x', pictures to rebuild, or with 'tokens', codes to decode")
    made: Array = nets["decoder"](codes)
    return made
