"""Virtual batch normalisation: a batch normalisation that does not mix the examples of a minibatch."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from jaxgan.networks.layers import call
from jaxgan.networks.layers.calling import Initializer


class VirtualBatchNorm(nn.Module):
    """Batch normalisation by a fixed reference batch: no example's output depends on its neighbours in the minibatch.

    The first `reference` examples are the reference's activations here, and are normalised by their own mean m_r and
    variance v_r over examples and pixels. Any other example, with its own mean m and variance v over pixels, counts as
    one more: with n = reference it is normalised by the mean (n m_r + m) / (n + 1), and by the variance whose mean
    square is averaged likewise. Then scale and offset. `WithReference` puts the reference batch in front. Statistics
    are float32, and there are no running averages: training and evaluation are the same function.

    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 3.5.
    """

    reference: int  # examples of the reference batch, the first of those that the layer is called with
    epsilon: float = 1e-5
    scale_init: Initializer = nn.initializers.ones
    bias_init: Initializer = nn.initializers.zeros
    dtype: DTypeLike | None = None  # of the result; parameters and statistics stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Normalises x [reference + B, ..., C] over all axes but the last."""
        n = self.reference
        if not 1 <= n < x.shape[0]:
            raise ValueError(
                f"VirtualBatchNorm(reference={n}) takes [reference + B, ..., C]; got shape {x.shape}: "
                "wrap the network in WithReference"
            )
        scale = self.param("scale", self.scale_init, x.shape[-1:], jnp.float32)
        bias = self.param("bias", self.bias_init, x.shape[-1:], jnp.float32)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        whole, pixels = tuple(range(x.ndim - 1)), tuple(range(1, x.ndim - 1))
        mean, variance = (f(wide[:n], axis=whole, keepdims=True) for f in (jnp.mean, jnp.var))
        own_mean, own_variance = (f(wide[n:], axis=pixels, keepdims=True) for f in (jnp.mean, jnp.var))
        share = 1 / (n + 1)
        # The variance that belongs to the two means: never negative, unlike mean square minus squared mean.
        joint_mean = mean + share * (own_mean - mean)
        between = share * (1 - share) * jnp.square(own_mean - mean)
        joint_variance = (1 - share) * variance + share * own_variance + between
        first = (wide[:n] - mean) * lax.rsqrt(variance + self.epsilon)
        others = (wide[n:] - joint_mean) * lax.rsqrt(joint_variance + self.epsilon)
        shape = (1,) * (x.ndim - 1) + (-1,)
        y = jnp.concatenate([first, others]) * scale.reshape(shape) + bias.reshape(shape)
        return y.astype(x.dtype if self.dtype is None else self.dtype)


class WithReference(nn.Module):
    """Calls a network with its reference batch in front of every batch, and drops the reference's outputs.

    The network says in a field `reference` how many examples that is, and gives the same number to its
    `VirtualBatchNorm`s. The reference is taken when the network is initialised, from the first examples of its initial
    arguments, and kept in the collection "reference", which no optimizer owns. Its activations are computed anew in
    every call, and gradients flow through them; a call costs as much as one with `reference` more examples.

    A system's initial latents need not be draws of its prior: give a generator the prior, and its reference is drawn
    from the network's own key.

    All devices hold the same reference, so that statistics are the same on one and on many without crossing a device.
    Nothing in the network should draw anew for each example (dropout): the reference would then differ between calls.

    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 3.5.
    """

    network: nn.Module  # with an int field `reference`
    prior: Callable[[Array, int], Array] | None = None  # draws the first argument of the reference, [reference, ...]

    @property
    def classes(self) -> int:
        """Labels that the network is conditioned on; 0: none."""
        return getattr(self.network, "classes", 0)

    @nn.compact
    def __call__(self, *inputs: Array, train: bool = True) -> Array:
        """Applies the network to inputs [B, ...] each; `train` is for networks that take it."""
        size = getattr(self.network, "reference", None)
        if not isinstance(size, int) or size < 1:
            raise ValueError(
                f"WithReference takes a network with a field `reference`, the size of its reference batch, >= 1; "
                f"{type(self.network).__name__} has {size!r}"
            )
        if self.is_initializing():
            kept = [self._reference(i, x, size) for i, x in enumerate(inputs)]
        else:
            kept = [self.get_variable("reference", f"input_{i}") for i in range(len(inputs))]
        if any(k is None for k in kept):
            raise ValueError(f"the reference was not taken for {len(inputs)} arguments; initialise with as many")
        whole = [jnp.concatenate([k.astype(x.dtype), x]) for k, x in zip(kept, inputs, strict=True)]
        return jax.tree.map(lambda y: y[size:], call(self.network, *whole, train=train))

    def _reference(self, number: int, x: Array, size: int) -> Array:
        """Keeps the reference's share of one initial argument [B, ...]."""
        if number == 0 and self.prior is not None:
            drawn = self.prior(self.make_rng("params"), size)
        elif x.shape[0] < size:
            raise ValueError(f"a reference batch of {size} is taken from the first batch, which has {x.shape[0]}")
        else:
            drawn = x[:size]
        return self.variable("reference", f"input_{number}", lambda: drawn).value
