"""The game of StyleGAN2: that of `gan`, with path length regularisation of the generator."""

from __future__ import annotations

from typing import Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import non_saturating
from jaxgan.penalties import path_length
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption
from jaxgan.systems.gan import gan
from jaxgan.systems.parts import Optimizer, condition_of
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains


class GanOptions(Adversarial, total=False):
    """What `gan` takes besides."""

    n_critic: int


@explains
def stylegan2(
    *,
    prior: Prior,
    optimizer: Optimizer,
    loss: LossOption = non_saturating,
    path_weight: float = 2.0,
    path_every: int = 4,
    path_decay: float = 0.01,
    path_shrink: int = 2,
    **options: Unpack[GanOptions],
) -> System:
    """A style-based generator against a discriminator; steps in w shall move every image by as much as any other.

    At steps 0, k, 2 k, ... the generator also pays k * weight * `penalties.path_length`, on latents drawn for it (their
    styles mixed as in training). The running mean of path lengths is kept by the generator (collection "path"). It
    is paid in the generator's own update; the authors' code makes an update of its own of it.

    Metrics: those of `gan`, and the generator's `path_length` (the running mean) and `path_penalty` (before weight and
    period; 0 at the steps where it is not looked at).

    Args:
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      loss: what each player minimises, from `jaxgan.losses`.
      path_weight: >= 0; 0: no path length regularisation, and any generator will do.
      path_every: its period k in train steps, >= 1.
      path_decay: how far the running mean moves each time, in [0, 1].
      path_shrink: it is taken over a batch smaller by this factor, >= 1, which divides the batch of each device.
      **options: n_critic, penalty (the paper's is `every(16, r1(gamma))`), augment, replay and regularizer, as for
        `gan`.
    Returns:
      System with networks "generator" (a `networks.stylegan2.Generator`) and "discriminator".
    Raises:
      ValueError: an argument is out of range; at trace time, a batch that path_shrink does not divide.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020, sections 3.1 and 3.2.
    """
    if not path_weight >= 0 or path_every < 1 or path_shrink < 1 or not 0 <= path_decay <= 1:
        raise ValueError(
            "stylegan2 needs path_weight >= 0, path_every >= 1, path_shrink >= 1 and path_decay in [0, 1]; "
            f"got {path_weight}, {path_every}, {path_shrink} and {path_decay}"
        )
    system = gan(loss=loss, prior=prior, optimizer=optimizer, **options)
    if path_weight == 0:
        return system
    player = system.players["generator"]

    def pay(nets: Nets, batch: Batch, turn: Turn, mean: Array) -> tuple[Array, Array]:
        generator, size = frozen(nets["generator"]), batch["x"].shape[0]
        if size % path_shrink:
            raise ValueError(f"stylegan2 has path_shrink={path_shrink}, which does not divide the batch of {size}")
        # Numbers in the smaller batch, over all devices: 0, 1, 2, ... whatever their count.
        examples = jnp.arange(size, dtype=jnp.int32) if turn.examples is None else turn.examples
        examples = examples[::path_shrink] // path_shrink
        z = prior(turn.named("path latent"), size // path_shrink, examples)
        condition = jax.tree.map(lambda leaf: leaf[::path_shrink], condition_of(batch))
        styles = generator(z, *condition, method="mapping")
        return path_length(
            lambda w: generator(w, method="synthesis"),
            styles,
            mean,
            turn.named("path length"),
            decay=path_decay,
            examples=examples,
            average=turn.average,
        )

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        value, metrics = player.loss(nets, batch, turn)
        state = nets["generator"].state
        if "path" not in state:
            raise ValueError("stylegan2 with path_weight > 0 needs a networks.stylegan2.Generator as its generator")
        mean = state["path"]["mean"]
        due = turn.step % path_every == 0
        cost, moved = jax.lax.cond(due, lambda: pay(nets, batch, turn, mean), lambda: (jnp.zeros((), mean.dtype), mean))
        state["path"] = {"mean": jax.lax.stop_gradient(moved)}
        return value + path_every * path_weight * cost, metrics | {"path_length": moved, "path_penalty": cost}

    players = dict(system.players) | {"generator": player._replace(loss=generator_loss)}
    return system._replace(players=players)
