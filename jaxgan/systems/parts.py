"""What systems share: optimizers by player, conditions and latents, checks of batches and outputs, common metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.checks import check_function, check_optimizer
from jaxgan.nets import accepts
from jaxgan.networks.encoders import latent_of
from jaxgan.priors import Prior
from jaxgan.types import Batch, Inputs, LossFn, Metrics, Nets, Player, Turn

Optimizer: TypeAlias = optax.GradientTransformation | Mapping[str, optax.GradientTransformation]


def optimizers_of(optimizer: Optimizer, players: Sequence[str]) -> dict[str, optax.GradientTransformation]:
    """Returns one optimizer for each player: the same for all, or those given by name.

    Raises:
      ValueError: the names are not the players'.
    """
    by_player: dict[str, Any] = dict(optimizer) if isinstance(optimizer, Mapping) else dict.fromkeys(players, optimizer)
    if set(by_player) != set(players):
        raise ValueError(f"optimizers are named {sorted(by_player)}; expected {sorted(players)}")
    for name, each in by_player.items():
        check_optimizer(f"the optimizer of player {name!r}" if isinstance(optimizer, Mapping) else "optimizer", each)
    return by_player


def condition_of(batch: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns what networks are called with besides: the condition "y" where the batch has one."""
    return (batch["y"],) if "y" in batch else ()


def image_logits(outputs: Any) -> Array:
    """Returns the logits of a discriminator that may have other outputs: heads by name, or images before pixels."""
    if isinstance(outputs, Mapping):
        check_outputs("a game of logits", outputs, "logits")
        return outputs["logits"]
    return outputs[0] if isinstance(outputs, tuple) else outputs


def latents(prior: Prior, key: Array, inputs: Inputs) -> Array:
    """Returns the latents to generate from: those given as "z", or one drawn for each "index"."""
    return inputs["z"] if "z" in inputs else prior(key, inputs["index"].shape[0], inputs["index"])


def samples(prior: Prior, network: str = "generator") -> Callable[[Nets, Batch, Turn], Array]:
    """Returns (nets, batch, turn) -> G(z), or G(z, y) where the batch has a "y": as many as the batch has examples."""
    check_prior(prior)
    return lambda nets, batch, turn: nets[network](drawn(prior, batch, turn), *condition_of(batch))


def drawn(prior: Prior, batch: Batch, turn: Turn) -> Array:
    """Returns the latents [B, Z] of a turn, one for each example of the batch."""
    check_prior(prior)
    return prior(turn.named("latent"), jax.tree.leaves(batch)[0].shape[0], turn.examples)


def shifted(tree: Any, turn: Turn, places: Array | int = 1) -> Any:
    """Returns for each example that of some places further in the global batch, the first after the last.

    So one device and several shift alike. Of microbatches, each is shifted.

    Args:
      tree: arrays [B, ...].
      turn: whose batch they are of.
      places: how many, >= 0.
    """

    def everywhere(leaf: Array) -> Array:
        return leaf if turn.axis_name is None else jax.lax.all_gather(leaf, turn.axis_name, axis=0, tiled=True)

    size, whole = jax.tree.leaves(tree)[0].shape[0], jax.tree.map(everywhere, tree)
    first = 0 if turn.axis_name is None else size * jax.lax.axis_index(turn.axis_name)
    rows = (jnp.arange(size, dtype=jnp.int32) + first + places) % jax.tree.leaves(whole)[0].shape[0]
    return jax.tree.map(lambda leaf: leaf[rows], whole)


def shuffled(tree: Any, turn: Turn) -> Any:
    """Returns another example's in each one's place: what is independent of all that belongs to it.

    A cyclic shift of the global batch by a drawn number of places, 1 to all but one: no example keeps its own, so that
    pairs are exact draws of the product.

    Args:
      tree: arrays [B, ...].
      turn: whose batch they are of.
    Raises:
      ValueError: there is a single example.
    """
    devices = 1 if turn.axis_name is None else jax.lax.axis_size(turn.axis_name)
    total = devices * jax.tree.leaves(tree)[0].shape[0]
    if total < 2:
        raise ValueError("a shuffle needs two examples or more; the batch has one: raise its size")
    return shifted(tree, turn, jax.random.randint(turn.named("shuffle"), (), 1, total, jnp.int32))


def generates(prior: Prior, network: str = "generator") -> Callable[[Nets, Array, Inputs], Any]:
    """Returns (nets, key, inputs) -> G(z), or G(z, y): of "z", or of a latent drawn for each "index"."""
    check_prior(prior)
    return lambda nets, key, inputs: nets[network](latents(prior, key, inputs), *condition_of(inputs))


def encodes(noise: Prior | None = None, network: str = "encoder") -> Callable[..., Array]:
    """Returns (nets, x, key, index=None) -> the latents [B, Z] of E(x), or of E(x, noise) where that has a prior.

    The key [] draws the noise, for examples of these numbers [B] in the global batch.
    """
    if noise is not None:
        check_prior(noise, "noise")

    def encode(nets: Nets, x: Array, key: Array, index: Array | None = None) -> Array:
        return latent_of(nets[network](x, *(() if noise is None else (noise(key, x.shape[0], index),))))

    return encode


def translation(net: Any, x: Array, inputs: Inputs) -> Any:
    """Returns what a network makes of x [n, ...] once trained: one that takes `index` draws by the samples' numbers."""
    numbered = "index" in inputs and accepts(net.network, "index")
    return net(x, **({"index": inputs["index"]} if numbered else {}))


def check_prior(prior: Prior, name: str = "prior") -> None:
    """Raises ValueError unless a prior is a function (key, n, index) -> z."""
    width = prior if isinstance(prior, int) else 128
    check_function(name, prior, "Prior", ("key", "n", "index"), f"jg.priors.normal({width})")


def players(optimizer: Optimizer, **moves: Any) -> dict[str, Player]:
    """Returns the players of a system.

    Args:
      optimizer: one for all, or one for each by name.
      **moves: by player, in the order of their turns: (the networks it owns, its loss) or (..., its updates); a network
        is a name, several are a tuple of names.
    Raises:
      ValueError: the optimizers are not named after the players.
    """
    optimizers = optimizers_of(optimizer, tuple(moves))
    return {
        name: Player((owns,) if isinstance(owns, str) else owns, loss, optimizers[name], *updates)
        for name, (owns, loss, *updates) in moves.items()
    }


def two_players(optimizer: Optimizer, discriminator: LossFn, generator: LossFn, n_critic: int) -> dict[str, Player]:
    """Returns "discriminator", which moves first and n_critic times, and "generator", by their losses.

    Raises:
      ValueError: as `players`.
    """
    return players(
        optimizer, discriminator=("discriminator", discriminator, n_critic), generator=("generator", generator)
    )


def check_batch(system: str, batch: Batch, **needed: str) -> None:
    """Raises ValueError unless the batch holds what a system needs: by name, what that is in words."""
    for name, words in needed.items():
        if name not in batch:
            raise ValueError(f"{system} needs batch[{name!r}], {words}; the batch has {sorted(batch)}")


def check_outputs(system: str, outputs: Any, *heads: str, network: str = "a discriminator") -> None:
    """Raises ValueError unless a network's outputs have these heads."""
    have = sorted(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
    if not isinstance(outputs, Mapping) or set(heads) - set(outputs):
        raise ValueError(
            f"{system} needs {network} with outputs {sorted(heads)}, a networks.heads.Headed; it has {have}"
        )


def logit_metrics(real_logits: Array, fake_logits: Array) -> Metrics:
    """Returns the means of both sides' logits, and of their sigmoids."""
    return {
        "real_logits": jnp.mean(real_logits),
        "fake_logits": jnp.mean(fake_logits),
        "real_probability": jnp.mean(jax.nn.sigmoid(real_logits)),
        "fake_probability": jnp.mean(jax.nn.sigmoid(fake_logits)),
    }
