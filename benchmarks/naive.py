"""The step that a user writes after public notebooks, in plain Flax: what jaxgan's own step is compared with.

Two functions are compiled, one for each player; latents are drawn outside, losses are read after every call, and no
buffer is donated. Transposed convolutions are Flax's own.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from benchmarks.pairs import Way

LATENT = 64
_start = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """z [B, Z] -> images [B, 32, 32, 3]."""

    features: int

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """Generates images, by batch statistics."""
        x = nn.Dense(64 * self.features, use_bias=False, kernel_init=_start)(z).reshape(-1, 4, 4, 4 * self.features)
        for width in (2, 1):
            x = nn.relu(nn.BatchNorm(False, momentum=0.9)(x))
            x = nn.ConvTranspose(width * self.features, (4, 4), (2, 2), use_bias=False, kernel_init=_start)(x)
        x = nn.relu(nn.BatchNorm(False, momentum=0.9)(x))
        return jnp.tanh(nn.ConvTranspose(3, (4, 4), (2, 2), kernel_init=_start)(x))


class Discriminator(nn.Module):
    """Images [B, 32, 32, 3] -> logits [B]."""

    features: int
    normalized: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores images, by batch statistics."""
        for stage in range(3):
            batch = self.normalized and stage > 0
            x = nn.Conv(self.features * 2**stage, (4, 4), (2, 2), use_bias=not batch, kernel_init=_start)(x)
            x = nn.leaky_relu(nn.BatchNorm(False, momentum=0.9)(x) if batch else x, 0.2)
        return nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0]


def step(features: int, x: Any, *, normalized: bool, r1: float) -> tuple[Way, int]:
    """Prepares a step a call, of the same DCGAN as `games.dcgan`.

    Args:
      features: of the largest map.
      x: images [B, 32, 32, 3].
      normalized: batch normalisation of the discriminator.
      r1: weight of R1.
    Returns:
      (() -> losses of the discriminator and the generator, number of parameters).
    """
    networks = {"generator": Generator(features), "discriminator": Discriminator(features, normalized)}
    inputs = {"generator": jnp.zeros((len(x), LATENT)), "discriminator": x}
    variables = {name: net.init(jax.random.key(0), inputs[name]) for name, net in networks.items()}
    params = {name: v["params"] for name, v in variables.items()}
    stats = {name: v.get("batch_stats", {}) for name, v in variables.items()}
    adam = optax.adam(2e-4, b1=0.5)
    moments = {name: adam.init(p) for name, p in params.items()}

    def call(name: str, p: Any, s: Any, *inputs: jax.Array) -> tuple[jax.Array, Any]:
        out, changed = networks[name].apply({"params": p, "batch_stats": s}, *inputs, mutable=["batch_stats"])
        return out, changed.get("batch_stats", {})

    def updated(name: str, params: Any, moments: Any, grads: Any) -> tuple[Any, Any]:
        updates, moved = adam.update(grads, moments[name])
        return params | {name: optax.apply_updates(params[name], updates)}, moments | {name: moved}

    @jax.jit
    def discriminate(params: Any, stats: Any, moments: Any, z: jax.Array) -> Any:
        def loss(p: Any) -> Any:
            fake, own = call("generator", params["generator"], stats["generator"], z)
            real, s = call("discriminator", p, stats["discriminator"], x)
            logits, s = call("discriminator", p, s, fake)
            value = jnp.mean(nn.softplus(-real)) + jnp.mean(nn.softplus(logits))
            if r1:
                slope = jax.grad(lambda x: jnp.sum(call("discriminator", p, stats["discriminator"], x)[0]))(x)
                value += r1 / 2 * jnp.mean(jnp.sum(jnp.square(slope), axis=(1, 2, 3)))
            return value, {"generator": own, "discriminator": s}

        (value, kept), grads = jax.value_and_grad(loss, has_aux=True)(params["discriminator"])
        return *updated("discriminator", params, moments, grads), kept, value

    @jax.jit
    def generate(params: Any, stats: Any, moments: Any, z: jax.Array) -> Any:
        def loss(p: Any) -> Any:
            fake, own = call("generator", p, stats["generator"], z)
            logits, _ = call("discriminator", params["discriminator"], stats["discriminator"], fake)
            return jnp.mean(nn.softplus(-logits)), stats | {"generator": own}

        (value, kept), grads = jax.value_and_grad(loss, has_aux=True)(params["generator"])
        return *updated("generator", params, moments, grads), kept, value

    state, keys = [params, moments, stats], [jax.random.key(1)]

    def run() -> tuple[float, float]:
        losses = []
        for move in (discriminate, generate):
            keys[0], own = jax.random.split(keys[0])
            *changed, value = move(state[0], state[2], state[1], jax.random.normal(own, (len(x), LATENT)))
            state[:] = changed
            losses.append(float(value))
        return losses[0], losses[1]

    return run, sum(leaf.size for leaf in jax.tree.leaves(params))
