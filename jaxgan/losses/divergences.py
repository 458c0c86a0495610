"""The f-GAN family, from one table, and b-GAN: games whose value is a divergence D_f(P || Q) = E_Q f(p/q).

For any function T, D_f(P || Q) >= E_P T - E_Q f*(T) with the convex conjugate f*(t) = sup_u (u t - f(u)); equality
holds at T = f'(p/q). P is the data, Q are the samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import relu, softplus

from jaxgan.losses.pairs import pair
from jaxgan.types import Loss, explains

Elementwise = Callable[[Array], Array]


class Divergence(NamedTuple):
    """One row of the f-GAN paper's tables, as functions of the network's output v [...]."""

    activation: Elementwise  # T = g_f(v), which maps all real v into the domain of f*
    conjugate: Elementwise  # f*(g_f(v)), the two written as one: alone, f* overflows where the whole does not


DIVERGENCES: Mapping[str, Divergence] = {
    "kl": Divergence(lambda v: v, lambda v: jnp.exp(v - 1)),
    "reverse_kl": Divergence(lambda v: -jnp.exp(-v), lambda v: v - 1),
    # The supremum is over u >= 0, and so constant below t = -2.
    "pearson": Divergence(lambda v: v, lambda v: jnp.square(relu(v + 2)) / 4 - 1),
    "neyman": Divergence(lambda v: 1 - jnp.exp(-v), lambda v: 2 - 2 * jnp.exp(-v / 2)),
    "squared_hellinger": Divergence(lambda v: 1 - jnp.exp(-v), lambda v: jnp.exp(v) - 1),
    "jeffrey": Divergence(lambda v: v, lambda v: _jeffrey_conjugate(v)),
    "jensen_shannon": Divergence(lambda v: math.log(2) - softplus(-v), lambda v: softplus(v) - math.log(2)),
    "gan": Divergence(lambda v: -softplus(-v), softplus),
    "total_variation": Divergence(lambda v: jnp.tanh(v) / 2, lambda v: jnp.tanh(v) / 2),
}
"""By name, the divergences without a parameter; "weighted_jensen_shannon" and "alpha" are made for theirs."""


@explains
def f_divergence(name: str, *, pi: float | None = None, alpha: float | None = None, saturating: bool = True) -> Loss:
    """The variational bound of a divergence: D maximises E_P T - E_Q f*(T) with T = g_f(logits), and G minimises it.

    | name | f(u) |
    |---|---|
    | kl | u log u |
    | reverse_kl | -log u |
    | pearson | (u - 1)^2 |
    | neyman | (1 - u)^2 / u |
    | squared_hellinger | (sqrt(u) - 1)^2 |
    | jeffrey | (u - 1) log u |
    | jensen_shannon | u log u - (u + 1) log((u + 1) / 2), twice the usual divergence |
    | weighted_jensen_shannon | pi u log u - (1 - pi + pi u) log(1 - pi + pi u) |
    | gan | u log u - (u + 1) log(u + 1), so that the loss is `minimax` |
    | total_variation | abs(u - 1) / 2 |
    | alpha | (u^alpha - 1 - alpha (u - 1)) / (alpha (alpha - 1)) |

    Several of them exponentiate the logits: kl, reverse_kl, neyman, squared_hellinger and jeffrey are finite for logits
    up to about 80 in float32, alpha in (0, 1) up to about 80 (1 - alpha) / alpha, where that is less.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> cost = lambda name, v: float(jg.losses.f_divergence(name).discriminator(v, v))
      >>> cost("kl", jnp.ones(3)), cost("pearson", jnp.zeros(3))  # T = f'(1): equal laws are 0 apart
      (0.0, 0.0)

    Args:
      name: of the divergence, from the table.
      pi: weight of the data, in (0, 1), for "weighted_jensen_shannon" only.
      alpha: order, neither 0 nor 1, for "alpha" only.
      saturating: False for the paper's practical form, in which G maximises E_Q T instead.
    Returns:
      Loss on network outputs [B, ...]; minus the discriminator's is the bound.
    Raises:
      ValueError: the name is unknown, or its parameter is missing, out of range, or not its own.
    References:
      Nowozin, Cseke, Tomioka. f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization.
      NeurIPS 2016, tables 1 and 2 and those of its appendix; section 3.2 (practical form).
    """
    row = divergence(name, pi, alpha)
    return pair(
        lambda real, fake: jnp.mean(row.conjugate(fake)) - jnp.mean(row.activation(real)),
        (lambda real, fake: -jnp.mean(row.conjugate(fake)))
        if saturating
        else (lambda real, fake: -jnp.mean(row.activation(fake))),
    )


def divergence(name: str, pi: float | None = None, alpha: float | None = None) -> Divergence:
    """Looks the row of `f_divergence` up, or makes it for its parameter."""
    known = [*DIVERGENCES, "weighted_jensen_shannon", "alpha"]
    if name not in known:
        raise ValueError(f"unknown divergence {name!r}; known are {known}")
    if (pi is not None) != (name == "weighted_jensen_shannon") or (alpha is not None) != (name == "alpha"):
        raise ValueError(
            f"divergence {name!r} got pi={pi}, alpha={alpha}; pi belongs to 'weighted_jensen_shannon' and alpha to "
            "'alpha', and each needs its own"
        )
    if pi is not None:
        return _weighted_jensen_shannon(pi)
    return DIVERGENCES[name] if alpha is None else _alpha(alpha)


def _weighted_jensen_shannon(pi: float) -> Divergence:
    if not 0 < pi < 1:
        raise ValueError(f"weighted_jensen_shannon needs 0 < pi < 1; got {pi}")

    def conjugate(v: Array) -> Array:
        # (1 - pi) log((1 - pi) / (1 - exp(-s))) at s = softplus(-v) / pi, whose logarithm stays finite
        s = softplus(-v) / pi
        small = s < 1e-3
        near = _log_softplus(-v) - math.log(pi) + jnp.log1p(jnp.where(small, s, 0.0) * (s / 6 - 1 / 2))
        far = jnp.log(-jnp.expm1(-jnp.where(small, 1.0, s)))
        return (1 - pi) * (math.log(1 - pi) - jnp.where(small, near, far))

    return Divergence(lambda v: -pi * math.log(pi) - softplus(-v), conjugate)


def _alpha(alpha: float) -> Divergence:
    if alpha in (0, 1) or not math.isfinite(alpha):
        raise ValueError(
            f"the alpha divergence needs a finite alpha, neither 0 nor 1; got {alpha}: its limits there are "
            "'reverse_kl' and 'kl'"
        )
    power = alpha / (alpha - 1)
    if alpha > 1:
        return Divergence(lambda v: v, lambda v: (relu((alpha - 1) * v + 1) ** power - 1) / alpha)
    return Divergence(
        lambda v: 1 / (1 - alpha) - softplus(-v),
        lambda v: (jnp.exp(power * (math.log(1 - alpha) + _log_softplus(-v))) - 1) / alpha,
    )


def _log_softplus(x: Array) -> Array:
    """The logarithm of softplus(x), also where softplus(x) is 0 in floating point: there it is x."""
    low = x < -30.0
    return jnp.where(low, x, jnp.log(softplus(jnp.where(low, 0.0, x))))


def _jeffrey_conjugate(v: Array) -> Array:
    """Returns w + 1/w + t - 2 at t = v, with w = W(exp(1 - t)) of Lambert's function W, found by its logarithm."""
    log_w = _log_lambert(1 - v)
    return jnp.exp(log_w) + jnp.exp(-log_w) + v - 2


@jax.custom_jvp
def _log_lambert(x: Array) -> Array:
    """The logarithm of W(exp(x)), which solves y + exp(y) = x; exp(x) itself would overflow."""
    y = jnp.where(x > 1, jnp.log(jnp.maximum(x, 1.0)), x)
    for _ in range(6):  # Newton: quadratic from either start
        e = jnp.exp(y)
        y = y - (y + e - x) / (1 + e)
    return y


@_log_lambert.defjvp
def _log_lambert_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = _log_lambert(primals[0])
    return y, tangents[0] / (1 + jnp.exp(y))


class _Bregman(NamedTuple):
    """A convex f at the ratio r = exp(v), as functions of v."""

    f: Elementwise  # f(r)
    slope: Elementwise  # f'(r)
    regret: Elementwise  # f'(r) r - f(r)


_RATIOS: Mapping[str, _Bregman] = {
    "pearson": _Bregman(
        lambda v: jnp.square(jnp.expm1(v)) / 2, jnp.expm1, lambda v: jnp.expm1(2 * v) / 2
    ),  # f(r) = (r - 1)^2 / 2: least-squares importance fitting
    "kl": _Bregman(lambda v: jnp.exp(v) * v, lambda v: 1 + v, jnp.exp),  # f(r) = r log r
    "gan": _Bregman(
        # r log r - (r + 1) log(r + 1), without the difference of two large numbers
        lambda v: -jnp.exp(v) * softplus(-v) - softplus(v),
        lambda v: -softplus(-v),
        softplus,
    ),
}


@explains
def density_ratio(name: str) -> Loss:
    """b-GAN: D fits the ratio r = exp(logits) to p/q by a Bregman divergence, and G minimises the divergence E_Q f(r).

    D minimises E_Q [f'(r) r - f(r)] - E_P f'(r), whose minimum is -D_f(P || Q), at r = p/q. Logits are exponentiated,
    and pearson squares that: finite up to about 40, in float32.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> equal = jnp.zeros(4)  # log of a ratio of 1
      >>> [round(float(side(equal, equal)), 3) for side in jg.losses.density_ratio("gan")]
      [1.386, -1.386]

    Args:
      name: "pearson" (f = (r - 1)^2 / 2), "kl" (r log r) or "gan" (r log r - (r + 1) log(r + 1): logistic regression).
    Returns:
      Loss on logits [B, ...], the logarithm of the ratio.
    Raises:
      ValueError: the name is unknown.
    References:
      Uehara et al. Generative Adversarial Nets from a Density Ratio Estimation Perspective. 2016.
    """
    if name not in _RATIOS:
        raise ValueError(f"unknown density ratio {name!r}; known are {list(_RATIOS)}")
    row = _RATIOS[name]
    return pair(
        lambda real, fake: jnp.mean(row.regret(fake)) - jnp.mean(row.slope(real)),
        lambda real, fake: jnp.mean(row.f(fake)),
    )
