"""Toy densities in the plane, drawn on the device: example p is a pure function of (seed, p).

So neither the batch size nor the number of devices changes what is drawn (but for rounding: the compiler may vectorise
batches of other sizes differently). Papers disagree about radius, spacing and
width, and figures compare only under the same ones; the docstrings name whose convention is whose.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.data.source import Draw, Examples, Modes, Source
from jaxgan.types import name_index


def ring(modes: int = 8, radius: float = 2.0, std: float = 0.02) -> Source:
    """Equal normals on a circle, the first at angle 0.

    Conventions: radius 2, std 0.02 in Unrolled GANs (the default); radius 1, std 0.01 in VEEGAN and PacGAN; the default
    divided by 1.414 in WGAN-GP's toy code.

    Args:
      modes: how many, >= 1.
      radius: of the circle, > 0.
      std: of each coordinate around its centre, > 0.
    Returns:
      Source of "x" [n, 2] float32; `Source.modes` holds the centres [modes, 2] and std.
    Raises:
      ValueError: a parameter is out of range.
    References:
      Metz, Poole, Pfau, Sohl-Dickstein. Unrolled Generative Adversarial Networks. ICLR 2017, section 3.1.
      Srivastava et al. VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning. NeurIPS 2017.
    """
    if modes < 1 or not radius > 0 or not std > 0:
        raise ValueError(f"ring needs modes >= 1, radius > 0 and std > 0; got {modes}, {radius}, {std}")
    angle = 2 * np.pi * np.arange(modes) / modes
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _mixture(f"ring({modes})", centres, std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> Source:
    """Equal normals on a square lattice around the origin; the default is {-4, -2, 0, 2, 4} squared.

    Conventions: spacing 2, std 0.05 in VEEGAN, PacGAN and R3GAN's studies (the default); the same divided by 2.828 in
    WGAN-GP's toy code.

    Args:
      side: modes along an edge, >= 1; there are side**2.
      spacing: between neighbours, > 0.
      std: of each coordinate around its centre, > 0.
    Returns:
      Source of "x" [n, 2] float32; `Source.modes` holds the centres [side**2, 2] and std.
    Raises:
      ValueError: a parameter is out of range.
    References:
      Srivastava et al. VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning. NeurIPS 2017.
      Lin, Khetan, Fanti, Oh. PacGAN: The Power of Two Samples in Generative Adversarial Networks. NeurIPS 2018.
    """
    if side < 1 or not spacing > 0 or not std > 0:
        raise ValueError(f"grid needs side >= 1, spacing > 0 and std > 0; got {side}, {spacing}, {std}")
    line = spacing * (np.arange(side) - (side - 1) / 2)
    centres = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    return _mixture(f"grid({side}x{side})", centres, std)


def swiss_roll(noise: float = 0.25, scale: float = 7.5) -> Source:
    """A noisy spiral, one turn and a half: ((t cos t, t sin t) + noise) / scale, t uniform in [3 pi / 2, 9 pi / 2).

    The default is WGAN-GP's: scikit-learn's roll without its flat axis, noise 0.25, divided by 7.5.

    Args:
      noise: standard deviation of each coordinate before the division, >= 0.
      scale: divisor, > 0.
    Returns:
      Source of "x" [n, 2] float32.
    Raises:
      ValueError: a parameter is out of range.
    References:
      Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, figure 1.
    """
    if not noise >= 0 or not scale > 0:
        raise ValueError(f"swiss_roll needs noise >= 0 and scale > 0; got {noise}, {scale}")

    def example(key: Array) -> Array:
        along, around = jax.random.split(key)
        t = 1.5 * jnp.pi * (1 + 2 * jax.random.uniform(along, (), jnp.float32))
        return (t * jnp.stack([jnp.cos(t), jnp.sin(t)]) + noise * jax.random.normal(around, (2,), jnp.float32)) / scale

    return Source("swiss_roll", None, _reader(example))


def moons(angle: float = 0.0, noise: float = 0.1) -> Source:
    """Two half circles of radius 1 that reach into each other, with labels; turned, they are another domain.

    scikit-learn's moons around the origin: label 0 is (cos t, sin t), label 1 is (1 - cos t, 1/2 - sin t), both less
    (1/2, 1/4), t uniform in [0, pi], both labels equally likely; then normal noise, then the turn. The adversarial
    adaptation of domains is tried on angles of 30 to 50 degrees.

    Args:
      angle: of the turn around the origin, counterclockwise, in degrees.
      noise: standard deviation of each coordinate, >= 0.
    Returns:
      Source of "x" [n, 2] float32 and "y" [n] int32 in {0, 1}.
    Raises:
      ValueError: a parameter is out of range.
    References:
      Ganin et al. Domain-Adversarial Training of Neural Networks. JMLR 2016, section 5.1.1 (35 degrees).
    """
    if not np.isfinite(angle) or not noise >= 0:
        raise ValueError(f"moons needs a finite angle, in degrees, and noise >= 0; got {angle} and {noise}")
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]], np.float32)

    def example(key: Array) -> tuple[Array, Array]:
        along, which, around = jax.random.split(key, 3)
        t = jnp.pi * jax.random.uniform(along, (), jnp.float32)
        label = jax.random.bernoulli(which).astype(jnp.int32)
        upper, lower = jnp.stack([jnp.cos(t), jnp.sin(t)]), jnp.stack([1 - jnp.cos(t), 0.5 - jnp.sin(t)])
        centred = jnp.where(label == 0, upper, lower) - jnp.array([0.5, 0.25], jnp.float32)
        point = centred + noise * jax.random.normal(around, (2,), jnp.float32)
        return jnp.sum(
            rotation * point[None], axis=1
        ), label  # no product of matrices: those are rounded on accelerators

    return Source(f"moons({angle:g})", None, _reader(example), classes=2)


def _mixture(name: str, centres: np.ndarray, std: float) -> Source:
    centres = centres.astype(np.float32)

    def example(key: Array) -> Array:
        which, around = jax.random.split(key)
        mode = jax.random.randint(which, (), 0, len(centres), jnp.int32)
        return jnp.asarray(centres)[mode] + std * jax.random.normal(around, (2,), jnp.float32)

    return Source(name, None, _reader(example), modes=Modes(centres, std))


def _reader(example: Callable[[Array], Array | tuple[Array, Array]]) -> Callable[[Draw], Examples]:
    """Makes `Source.read` from a function key -> point, or (point, label), all of them in one compiled call.

    Each position has one key.
    """

    @jax.jit
    def points(seed: Array, high: Array, low: Array) -> Array | tuple[Array, Array]:
        # The game's key may be key(seed) too; a name of our own keeps the data independent of its draws.
        key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), name_index("data"))
        return jax.vmap(lambda h, w: example(jax.random.fold_in(jax.random.fold_in(key, h), w)))(high, low)

    def read(draw: Draw) -> Examples:
        position = draw.position.astype(np.uint64)  # 64 bits, folded in as two words
        high, low = (position >> np.uint64(32)).astype(np.uint32), position.astype(np.uint32)
        drawn = points(np.uint32(draw.seed), high, low)
        return dict(zip(("x", "y"), drawn, strict=True)) if isinstance(drawn, tuple) else {"x": drawn}

    return read
