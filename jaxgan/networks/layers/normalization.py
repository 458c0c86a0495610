"""Normalisation of weights and of activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer
from jaxgan.networks.layers.embedding import Embedding
from jaxgan.types import PyTree

_EPSILON = 1e-12
_SETTLING = 50  # power iterations at initialisation: the sigma of a Gaussian matrix is then right to about a percent


class SpectralNorm(nn.Module):
    """Divides a layer's weights by their largest singular value, as power iteration knows it.

    Weights are matrices: a kernel [k, k, I, O] is [k k I, O]. Each keeps a vector u [O], which advances by `iterations`
    of u <- W^T W u / ||W^T W u|| in a call that trains, and sigma = ||W u||, through which gradients pass to W. At
    initialisation u advances until sigma is right to about a percent, so that a network is normalised from its first
    step on; and sigma always belongs to the weights of now, not to those of the last call that trained. All of it is
    computed in float32, whatever the layer computes in.

    No weights lose u for good. It is of norm 1 whatever their scale, and stays where there is no direction to advance
    in (weights that are zero, or not finite); where the weights have left it, ||W u|| being less than an eighth of
    their longest row, it begins again at that row. So sigma is at least ||W|| / (8 sqrt(rows)) at any time, of weights
    of any rank. Where sigma is not above epsilon the weights stay as they are: zero, with the gradient of plain ones.

    References:
      Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018, alg. 1.
    """

    layer: nn.Module  # Dense, Conv, ConvTranspose, Embed: any layer of parameters alone, called with one array
    iterations: int = 1  # in a call that trains
    epsilon: float = _EPSILON  # weights whose sigma is not above it are not divided
    axis: int = -1  # the kernels' axis that becomes the columns: -2 is the outputs' of a ConvTranspose [k, k, O, I]

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Applies the layer to x with its normalised weights; the singular vectors advance only if `train`."""
        if self.iterations < 1 or not self.epsilon > 0:
            raise ValueError(
                f"SpectralNorm needs iterations >= 1 and epsilon > 0; got {self.iterations} and {self.epsilon}"
            )
        if self.is_initializing():
            self.layer(x)  # makes its parameters
        layer, variables = self.layer.unbind()
        normalised = jax.tree_util.tree_map_with_path(
            lambda path, w: w if w.ndim < 2 else self._normalise(path, w, train), variables["params"]
        )
        y: Any = layer.apply({"params": normalised}, x)
        return y

    def _normalise(self, path: tuple[Any, ...], weights: Array, train: bool) -> Array:
        matrix = _matrix(weights, self.axis)
        scaled = _scaled(lax.stop_gradient(matrix))
        name = "/".join([str(self.layer.name), *(key.key for key in path), "u"])
        shape = [1] * weights.ndim
        shape[self.axis] = weights.shape[self.axis]  # shows the axis to whoever reads the vector

        def settled() -> Array:
            u = jax.random.normal(self.make_rng("params"), (scaled.shape[1],), jnp.float32)
            return _advanced(scaled, u, _SETTLING).reshape(shape)

        memory = self.variable("spectral", name, settled)
        u = _begun(scaled, memory.value.reshape(-1))
        if train:
            u = _advanced(scaled, u, self.iterations)
            memory.value = u.reshape(shape)
        else:
            u = _unit(u)  # an average of unit vectors is shorter than one
        sigma = _sigma(matrix, scaled, u)
        return weights / jnp.where(sigma > self.epsilon, sigma, 1.0).astype(weights.dtype)


def spectral_norms(variables: Mapping[str, PyTree]) -> dict[str, float]:
    """Largest singular value of all weights that `SpectralNorm` normalises, as it applies them: 1 if it is right.

    Exact, by decomposition on the host; of a train state, pass
    `{"params": state.params[name], **state.model_state[name]}`.

    Args:
      variables: of a network, with collections "params" and "spectral".
    Returns:
      By path of the weights ("Block_0/Conv_0/kernel"), their norm divided by sigma as of evaluation; 0: all are zero.
    Raises:
      ValueError: the network has no spectral normalisation.
    """
    if not variables.get("spectral"):
        raise ValueError(f"no collection 'spectral' in {sorted(variables)}: the network has no SpectralNorm")
    norms = {}
    for path, vector in jax.tree_util.tree_leaves_with_path(dict(variables["spectral"])):
        *outer, entry = (str(key.key) for key in path)
        inner = entry.split("/")[:-1]
        where, weights = _weights_at(variables["params"], [[*outer[:-1], *inner], [*outer, *inner]])
        axis = [k for k, n in enumerate(np.shape(vector)) if n == np.size(vector) == weights.shape[k]][-1]
        matrix = _matrix(weights, axis)
        scaled = _scaled(matrix)
        sigma = float(_sigma(matrix, scaled, _unit(_begun(scaled, jnp.ravel(vector)))))
        norms[where] = float(np.linalg.norm(matrix, 2)) / (sigma if sigma > _EPSILON else 1.0)
    return norms


def _weights_at(params: PyTree, paths: list[list[str]]) -> tuple[str, Array]:
    """Returns the weights at the first path that exists: beside the `SpectralNorm`, or inside where it made them."""
    for path in paths:
        node = params
        for key in path:
            node = node.get(key) if isinstance(node, Mapping) else None
        if node is not None:
            return "/".join(path), node
    raise ValueError(f"no weights at {' or '.join(map('/'.join, paths))}: params and spectral are of two networks")


def _matrix(weights: Array, axis: int) -> Array:
    return jnp.moveaxis(weights, axis, -1).reshape(-1, weights.shape[axis]).astype(jnp.float32)


def _times(matrix: Array, vector: Array) -> Array:
    return jnp.matmul(matrix, vector, precision="highest")


def _scaled(matrix: Array) -> Array:
    """Scales a matrix by a power of two, so that its largest entry is in [1/2, 1): exactly, as no mantissa changes."""
    exponent = jnp.frexp(jnp.max(jnp.abs(matrix)))[1]
    return jnp.ldexp(matrix, -jnp.clip(exponent, -126, 126))  # the ends have an inverse in float32


def _unit(vector: Array) -> Array:
    norm = jnp.linalg.norm(vector)
    return vector / jnp.where(norm > 0, norm, 1.0)


def _begun(scaled: Array, u: Array) -> Array:
    """Returns u; or the direction of the longest row, where the weights have left u (or it is not finite)."""
    squares = jnp.sum(jnp.square(scaled), axis=1)
    longest = jnp.argmax(squares)
    stays = jnp.linalg.norm(_times(scaled, u)) >= jnp.sqrt(squares[longest]) / 8
    return jnp.where(stays, u, _unit(scaled[longest]))


def _advanced(scaled: Array, u: Array, iterations: int) -> Array:
    def advance(_: Any, u: Array) -> Array:
        new = _times(scaled.T, _unit(_times(scaled, u)))
        return _unit(jnp.where(jnp.linalg.norm(new) > 0, new, u))  # no direction in weights that are zero or NaN

    return advance(0, u) if iterations == 1 else lax.fori_loop(0, iterations, advance, u)


def _sigma(matrix: Array, scaled: Array, u: Array) -> Array:
    """Returns v^T W u = ||W u|| [], with v of norm 1; gradients pass to the matrix alone."""
    return jnp.vdot(_unit(_times(scaled, u)), _times(matrix, u), precision="highest")


class BatchNorm(nn.Module):
    """Batch normalisation, with the variables and values of `nn.BatchNorm`.

    Means and variances are [C] wherever they are used. Flax gives them axes of length 1, which XLA moves about
    differently where a gradient is taken and where not: a forward pass that two turns have in common, as under
    `dynamics.alternating(shared=True)`, then stays two.

    References:
      Ioffe, Szegedy. Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift.
      ICML 2015, algorithm 1.
    """

    use_running_average: bool  # normalise by the running averages, not by the batch
    momentum: float = 0.9  # of the running averages
    axis_name: str | None = None  # statistics over all devices of this axis: global, as on one device
    dtype: DTypeLike | None = None
    use_scale: bool = True
    use_bias: bool = True
    scale_init: Initializer = nn.initializers.ones
    epsilon: float = 1e-5  # added to the variance

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Normalises x [B, ..., C] over all axes but the last; statistics are float32 at least."""
        features, wide = (x.shape[-1],), x.astype(jnp.promote_types(x.dtype, jnp.float32))
        averages = [
            self.variable("batch_stats", name, start, features, jnp.float32)
            for name, start in (("mean", jnp.zeros), ("var", jnp.ones))
        ]
        mean, variance = (average.value for average in averages)
        if not self.use_running_average:
            axes = tuple(range(x.ndim - 1))
            mean, square = jnp.mean(wide, axes), jnp.mean(jnp.square(wide), axes)
            if self.axis_name is not None and not self.is_initializing():
                mean, square = lax.pmean(jnp.stack([mean, square]), self.axis_name)
            variance = jnp.maximum(0.0, square - jnp.square(mean))  # rounding may leave less than 0
            if not self.is_initializing():
                for average, now in zip(averages, (mean, variance), strict=True):
                    average.value = self.momentum * average.value + (1 - self.momentum) * now
        factor = lax.rsqrt(variance + self.epsilon)
        if self.use_scale:
            factor = factor * self.param("scale", self.scale_init, features, jnp.float32)

        def along(vector: Array) -> Array:
            return lax.broadcast_in_dim(vector, x.shape, (x.ndim - 1,))

        y = (wide - along(mean)) * along(factor)
        if self.use_bias:
            y = y + along(self.param("bias", nn.initializers.zeros, features, jnp.float32))
        return y.astype(self.dtype or jnp.promote_types(x.dtype, jnp.float32))


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose scale, around 1, and offset, around 0, are looked up by class or made of a vector.

    References:
      Dumoulin, Shlens, Kudlur. A Learned Representation for Artistic Style. ICLR 2017, eq. 5.
    """

    classes: int  # number of labels y [B] int32, or entries of vectors y [B, classes] float32
    momentum: float = 0.9
    axis_name: str | None = None  # statistics over all devices of this axis: global, as on one device
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array, train: bool) -> Array:
        """Normalises x [B, ..., C] over all axes but the last, then scales it for labels or vectors y."""
        x = BatchNorm(not train, self.momentum, self.axis_name, self.dtype, use_scale=False, use_bias=False)(x)
        shape = (x.shape[0],) + (1,) * (x.ndim - 2) + (x.shape[-1],)
        start = nn.initializers.zeros
        scale = 1 + Embedding(self.classes, x.shape[-1], start, name="scale")(y)
        offset = Embedding(self.classes, x.shape[-1], start, name="offset")(y)
        return (x * scale.reshape(shape) + offset.reshape(shape)).astype(x.dtype)  # in float32: nothing bounds either
