"""Behaviours of few parameters in [-1, 1], as pure functions of these and of noise, and recordings of them.

A behaviour is (parameters [K], noise [Z]) -> what is seen of it [T] or [T, F]: the same function is the system that is
observed and, with other parameters, a model of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.data.memory import arrays
from jaxgan.data.source import Source


class Behaviour(NamedTuple):
    """What does something, by parameters that are to be inferred."""

    name: str
    parameters: tuple[str, ...]  # K names
    noise: int  # Z, standard normal numbers that one run takes
    act: Callable[[Array, Array], Array]  # (parameters [K], noise [Z]) -> what is seen of it [T] or [T, F]
    poses: Callable[[Array, Array], Array] | None = None  # likewise -> places and headings [T, 3], where there are such


LIMIT = 5.0  # of what is seen of a process that explodes
TRACK, ARENA, REACH, TICK = 0.5, 1.0, 0.3, 0.1  # wheels' distance, side of starts / 2, the beacon's radius, seconds


def autoregression(length: int = 50) -> Behaviour:
    """x_t = a x_{t-1} + b x_{t-2} + e_t / 2 with e_t ~ N(0, 1), from x = 0; what explodes stops at 5.

    Two runs of it have nothing in common but the law: whoever fits runs to runs finds what moves least.

    Args:
      length: T, >= 3.
    Returns:
      Behaviour of parameters (a, b), seen as [T].
    Raises:
      ValueError: the length is shorter.
    """
    if length < 3:
        raise ValueError(f"autoregression needs length >= 3; got {length}")

    def act(parameters: Array, noise: Array) -> Array:
        def following(past: tuple[Array, Array], e: Array) -> tuple[tuple[Array, Array], Array]:
            x = jnp.clip(parameters[0] * past[0] + parameters[1] * past[1] + 0.5 * e, -LIMIT, LIMIT)
            return (x, past[0]), x

        return jax.lax.scan(following, (jnp.zeros((), jnp.float32),) * 2, noise)[1]

    return Behaviour("autoregression", ("a", "b"), length, act)


def line_of_sight(length: int = 50) -> Behaviour:
    """A robot on two wheels that sees whether a beacon is straight ahead, and has two speeds for yes and two for no.

    It starts anywhere in the square of side 2 around the beacon, of radius 0.3, with any heading; in a step of 0.1 it
    drives (left + right) / 2 and turns by (right - left) / 0.5. What is seen are its speed and its turning, the latter
    over 4, both with an error of 0.05: neither where it is nor what it sees. Speeds beyond [-1, 1] are not cut off:
    what makes no difference would drift without end under selection.

    Args:
      length: T, >= 2.
    Returns:
      Behaviour of parameters (left, right) for no and (left, right) for yes, seen as [T, 2] in [-1.3, 1.3].
    Raises:
      ValueError: the length is shorter.
    References:
      Gauci et al. Self-organized aggregation without computation. International Journal of Robotics Research 2014 (the
      sensor and the controller).
    """
    if length < 2:
        raise ValueError(f"line_of_sight needs length >= 2; got {length}")

    def driven(parameters: Array, noise: Array) -> tuple[Array, Array]:
        start = jax.scipy.stats.norm.cdf(noise[:3]) * 2 - 1  # uniform

        def move(pose: Array, step: Array) -> tuple[Array, tuple[Array, Array]]:
            ahead = jnp.stack([jnp.cos(pose[2]), jnp.sin(pose[2])])
            along = -jnp.dot(pose[:2], ahead)  # to where the beacon is nearest to the line of sight
            aside = jnp.abs(pose[0] * ahead[1] - pose[1] * ahead[0])
            left, right = jnp.where((along > 0) & (aside < REACH), parameters[2:], parameters[:2])
            speed, turning = (left + right) / 2, (right - left) / TRACK
            following = pose + TICK * jnp.concatenate([speed * ahead, turning[None]])
            return following, (pose, jnp.stack([speed, turning / 4]))

        begin = start * jnp.asarray([ARENA, ARENA, np.pi], jnp.float32)
        return jax.lax.scan(move, begin, jnp.arange(length, dtype=jnp.int32))[1]

    def act(parameters: Array, noise: Array) -> Array:
        return driven(parameters, noise)[1] + 0.05 * noise[3:].reshape(length, 2)

    return Behaviour(
        "line_of_sight",
        ("left, no", "right, no", "left, yes", "right, yes"),
        3 + 2 * length,
        act,
        lambda parameters, noise: driven(parameters, noise)[0],
    )


def recorded(behaviour: Behaviour, parameters: Sequence[float], n: int = 1000, seed: int = 0) -> Source:
    """A number of runs of a behaviour, to be modelled.

    Args:
      behaviour: what is observed.
      parameters: K numbers.
      n: runs, >= 1.
      seed: of their noise.
    Returns:
      Source of "x" [n, T] or [n, T, F], cut off at [-1, 1] where there are features.
    Raises:
      ValueError: there are other parameters than the behaviour has, or no run.
    """
    if len(parameters) != len(behaviour.parameters) or n < 1:
        raise ValueError(
            f"{behaviour.name} has the parameters {behaviour.parameters}; got {tuple(parameters)}, and n={n} runs"
        )
    noise = jax.random.normal(jax.random.key(seed), (n, behaviour.noise), jnp.float32)
    own = jnp.asarray(parameters, jnp.float32)
    x = np.asarray(jax.jit(jax.vmap(lambda z: behaviour.act(own, z)))(noise))
    return arrays(np.clip(x, -1, 1) if x.ndim > 2 else x, name=f"{n} runs of {behaviour.name}")
