"""Penalties on the gradient of the critic with respect to its input.

The gradient's norm runs over all axes but the batch; of a critic of several arrays (a pair of an image and its latent,
a tuple of images, any pytree), over all of them. Where the critic returns a map `[B, h, w]`, D(x) is the mean over
the map. The critic must treat examples independently: batch statistics would mix their gradients.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import relu, sigmoid

from jaxgan.penalties.weights import Weight, check_at_least_zero, weighted
from jaxgan.types import Critic, Penalty, PyTree, Turn, by_path, example_keys, explains


@explains
def gradient_penalty(weight: Weight, target: float = 1.0, one_sided: bool = False) -> Penalty:
    """Gradient penalty on interpolates: weight * E (||grad_x D(x)|| - target)^2.

    x = epsilon * real + (1 - epsilon) * fake, with one epsilon ~ U[0, 1) per example.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> critic, x = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((2, 2))
      >>> turn = jg.Turn(jax.random.key(0), jnp.array(0))
      >>> round(float(jg.penalties.gradient_penalty(10.0)(critic, x, x, turn)), 3)  # 10 (5 - 1)^2
      160.0

    Args:
      weight: lambda of the paper, >= 0 (10 there), or a schedule of the step.
      target: the norm that is asked for, >= 0.
      one_sided: only norms above the target cost: weight * E max(0, ||grad_x D(x)|| - target)^2.
    Returns:
      Penalty, (critic, real [B, ...], fake [B, ...], turn) -> scalar, mean over B.
    Raises:
      ValueError: weight or target is negative; at trace time, real and fake differ in shape.
    References:
      Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, eq. 3.
      Petzka, Fischer, Lukovnikov. On the Regularization of Wasserstein GANs. ICLR 2018 (one-sided: WGAN-LP).
    """
    check_at_least_zero("gradient_penalty", "target", target)

    def penalty(critic: Critic, real: Array, fake: Array, turn: Turn) -> Array:
        one, other = (jax.tree.map(jnp.shape, x) for x in (real, fake))
        if one != other:
            raise ValueError(f"gradient_penalty interpolates real {one} and fake {other}; shapes must agree")

        _check_floating(real)

        def mixed(real: Array, fake: Array) -> Array:
            epsilon = _uniform("interpolation", real, turn, (1,) * (real.ndim - 1))  # one for all arrays of an example
            return epsilon * real + (1 - epsilon) * fake

        return _distance(critic, jax.tree.map(mixed, real, fake), target, one_sided)

    return weighted("gradient_penalty", weight, penalty)


@explains
def zero_centred(weight: Weight) -> Penalty:
    """Zero-centred gradient penalty on interpolates: weight * E ||grad_x D(x)||^2.

    Unlike the target 1 it lets the critic become flat at equilibrium; unlike R1 it also holds between samples and data.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> critic, x = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((2, 2))
      >>> turn = jg.Turn(jax.random.key(0), jnp.array(0))
      >>> round(float(jg.penalties.zero_centred(10.0)(critic, x, x, turn)), 3)  # 10 * 5^2
      250.0

    Args:
      weight: lambda of the paper, >= 0, or a schedule of the step; there is no 1/2.
    Returns:
      Penalty, (critic, real [B, ...], fake [B, ...], turn) -> scalar, mean over B.
    Raises:
      ValueError: weight is negative; at trace time, real and fake differ in shape.
    References:
      Thanh-Tung, Tran, Venkatesh. Improving Generalization and Stability of Generative Adversarial Networks. ICLR 2019.
    """
    return weighted("zero_centred", weight, gradient_penalty(1.0, target=0.0))


@explains
def dragan(weight: Weight, scale: float = 0.5, target: float = 1.0) -> Penalty:
    """DRAGAN: a gradient penalty around the data, weight * E (||grad_x D(x)|| - target)^2.

    x = real + alpha * scale * std(real) * u, with one alpha ~ U[0, 1) per example and u ~ U[0, 1) per coordinate, as in
    the authors' code (positive only); std is one number, over all of the minibatch that its device holds.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> critic, x = lambda x: x @ jnp.array([3.0, 4.0]), jnp.eye(2)
      >>> turn = jg.Turn(jax.random.key(0), jnp.array(0))
      >>> round(float(jg.penalties.dragan(10.0)(critic, x, None, turn)), 3)  # 10 (5 - 1)^2
      160.0

    Args:
      weight: lambda of the paper, >= 0 (10 there), or a schedule of the step.
      scale: of the perturbation, in standard deviations of the data, >= 0.
      target: k of the paper, >= 0.
    Returns:
      Penalty, (critic, real [B, ...], fake, turn) -> scalar, mean over B; fake unused.
    Raises:
      ValueError: weight, scale or target is negative.
    References:
      Kodali et al. On Convergence and Stability of GANs. 2017.
    """
    check_at_least_zero("dragan", "scale", scale)
    check_at_least_zero("dragan", "target", target)

    def penalty(critic: Critic, real: Array, fake: Array, turn: Turn) -> Array:
        _check_floating(real)

        def perturbed(path: Any, x: Array) -> Array:
            alpha = _uniform("interpolation", x, turn, (1,) * (x.ndim - 1))
            noise = _uniform(f"perturbation{jax.tree_util.keystr(path)}", x, turn, x.shape[1:])
            return x + alpha * scale * jnp.std(x) * noise

        return _distance(critic, jax.tree_util.tree_map_with_path(perturbed, real), target)

    return weighted("dragan", weight, penalty)


@explains
def r1(gamma: Weight) -> Penalty:
    """Zero-centred gradient penalty on real data: gamma/2 * E ||grad_x D(x)||^2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> critic, real = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((2, 2))
      >>> float(jg.penalties.r1(10.0)(critic, real, None, None))  # 10/2 * (3^2 + 4^2)
      125.0

    Args:
      gamma: weight, >= 0, or a schedule of the step.
    Returns:
      Penalty, (critic, real [B, ...], fake, turn) -> scalar, mean over B; fake and turn unused.
    Raises:
      ValueError: gamma is negative.
    References:
      Mescheder, Geiger, Nowozin. Which Training Methods for GANs do actually Converge? ICML 2018, eq. 9.
    """
    return weighted("r1", gamma, lambda critic, real, fake, turn: 0.5 * jnp.mean(_slopes(critic, real)[0]))


@explains
def r2(gamma: Weight) -> Penalty:
    """Zero-centred gradient penalty on samples: gamma/2 * E ||grad_x D(G(z))||^2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> critic, fake = lambda x: jnp.sum(x**2, axis=1), jnp.array([[3.0, 4.0]])
      >>> float(jg.penalties.r2(1.0)(critic, None, fake, None))  # 1/2 * |2 x|^2
      50.0

    Args:
      gamma: weight, >= 0, or a schedule of the step.
    Returns:
      Penalty, (critic, real, fake [B, ...], turn) -> scalar, mean over B; real and turn unused.
    Raises:
      ValueError: gamma is negative.
    References:
      Mescheder, Geiger, Nowozin. Which Training Methods for GANs do actually Converge? ICML 2018, eq. 10.
    """
    return weighted("r2", gamma, lambda critic, real, fake, turn: 0.5 * jnp.mean(_slopes(critic, fake)[0]))


@explains
def jensen_shannon(gamma: Weight) -> Penalty:
    """Regulariser of the Jensen-Shannon game: gamma/2 (E_P (1 - D)^2 ||grad phi||^2 + E_Q D^2 ||grad phi||^2).

    phi are the logits and D = sigmoid(phi). It is training with noise of variance gamma, to first order. Where D = 1/2
    it is a quarter of `total(r1(gamma), r2(gamma))`.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> critic, x = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((2, 2))  # D = 1/2 everywhere
      >>> float(jg.penalties.jensen_shannon(1.0)(critic, x, x, None))  # 1/2 * (25/4 + 25/4)
      6.25

    Args:
      gamma: weight, >= 0, or a schedule of the step (the paper anneals it).
    Returns:
      Penalty, (critic, real [B, ...], fake [B', ...], turn) -> scalar, mean over examples; turn unused.
    Raises:
      ValueError: gamma is negative.
    References:
      Roth et al. Stabilizing Training of Generative Adversarial Networks through Regularization. NeurIPS 2017.
    """

    def penalty(critic: Critic, real: Array, fake: Array, turn: Turn) -> Array:
        real_squares, real_logits = _slopes(critic, real)
        fake_squares, fake_logits = _slopes(critic, fake)
        at_real = jnp.mean(jnp.square(sigmoid(-real_logits)) * real_squares)
        return 0.5 * (at_real + jnp.mean(jnp.square(sigmoid(fake_logits)) * fake_squares))

    return weighted("jensen_shannon", gamma, penalty)


def _uniform(use: str, x: Array, turn: Turn, shape: tuple[int, ...]) -> Array:
    """Draws U[0, 1) of a shape for each example [B, ...], from its index in the global batch."""
    keys = example_keys(turn.named(use), x.shape[0], turn.examples)
    return jax.vmap(lambda key: jax.random.uniform(key, shape, x.dtype))(keys)


def _distance(critic: Critic, x: PyTree, target: float, one_sided: bool = False) -> Array:
    """E (||grad_x D(x)|| - target)^2, or only of norms above the target."""
    excess = _safe_sqrt(_slopes(critic, x)[0]) - target
    return jnp.mean(jnp.square(relu(excess) if one_sided else excess))


def _slopes(critic: Critic, x: PyTree) -> tuple[Array, Array]:
    """Returns ||grad_x D(x)||^2, over all arrays of x, and D(x) of each example, [B] each."""
    _check_floating(x)

    def output(x: PyTree) -> tuple[Array, Array]:
        logits = critic(x)
        each = jnp.mean(logits.reshape(logits.shape[0], -1), axis=1)
        return jnp.sum(each), each

    gradient, logits = jax.grad(output, has_aux=True)(x)
    squares = functools.reduce(operator.add, map(_squares, jax.tree.leaves(gradient)))
    return squares, logits.astype(squares.dtype)


def _check_floating(x: PyTree) -> None:
    """Raises ValueError for integers, which no slope is taken with respect to."""
    if integers := [path for path, leaf in by_path(x).items() if not jnp.issubdtype(leaf.dtype, jnp.inexact)]:
        raise ValueError(
            f"a penalty takes the gradient with respect to {integers if any(integers) else 'x'}, integers that have "
            "none; embed them first, or pass them as conditions (adversary(judged=...))"
        )


def _squares(x: Array) -> Array:
    """Returns the sum of squares of each example, [B]."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # a sum of many squares
    return jnp.sum(jnp.square(wide), axis=tuple(range(1, x.ndim)))


def _safe_sqrt(squares: Array) -> Array:
    """Square root whose gradient at zero is zero, not NaN: a critic may be flat at some x."""
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
