"""A trained network as a pure function, and a discriminator's logits made honest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.nets import frozen, net
from jaxgan.types import Network, TrainState, averages_in_place


def trained(
    networks: Mapping[str, Network], state: TrainState, name: str, *, averaged: bool = True, key: Array | None = None
) -> Callable[..., Any]:
    """Returns a network of a trained game as a function of its inputs: no batch statistics, no change of state.

    Args:
      networks: those of the game.
      state: its train state.
      name: of the network.
      averaged: by averaged parameters and model state, where they are kept.
      key: [] typed key of what the network draws when it is used; key 0 if None.
    Returns:
      (*inputs) -> outputs, pure: to be compiled, mapped and differentiated.
    Raises:
      ValueError: no network has this name.
    """
    if name not in networks:
        raise ValueError(f"no network is named {name!r}; have {sorted(networks)}")
    state = averages_in_place(state) if averaged else state
    key = jax.random.key(0) if key is None else key
    return frozen(net(name, networks[name], state.params[name], state.model_state[name], key=key, train=False))


class Calibration(NamedTuple):
    """A line through logits: what a held-out set says that they mean. Called with logits, it returns log ratios."""

    slope: float
    offset: float

    def __call__(self, logits: ArrayLike) -> Array:
        """Returns slope * logits + offset, shaped like the logits."""
        return self.slope * jnp.asarray(logits) + self.offset


def calibrate(real_logits: ArrayLike, fake_logits: ArrayLike, steps: int = 50) -> Calibration:
    """Platt's calibration of a discriminator: the logistic regression of real or fake on its logits.

    The samplers of this room weigh samples by density ratios, which a discriminator of a modern GAN (spectral norm,
    hinge, R1) does not give in the right scale.

    Args:
      real_logits: of held-out data, [N].
      fake_logits: of samples, [M]; the classes count equally, whatever N and M.
      steps: of Newton's method, >= 1.
    Returns:
      Calibration, such that the calibrated logits estimate log p_data / p_G.
    Raises:
      ValueError: shapes are others, or all logits are equal.
    References:
      Platt. Probabilistic Outputs for Support Vector Machines. 1999; Turner et al. Metropolis-Hastings Generative
      Adversarial Networks. ICML 2019, section 3.2 (calibration on held-out data).
    """
    real, fake = np.asarray(real_logits, np.float64), np.asarray(fake_logits, np.float64)
    if real.ndim != 1 or fake.ndim != 1 or not len(real) or not len(fake) or steps < 1:
        raise ValueError(f"calibrate takes logits [N] and [M] and steps >= 1; got {real.shape}, {fake.shape}, {steps}")
    t = np.concatenate([real, fake])
    centre, scale = t.mean(), t.std()
    if not scale > 0:
        raise ValueError(f"all logits are {centre:g}: a discriminator that says the same of all cannot be calibrated")
    target = np.concatenate([np.ones(len(real)), np.zeros(len(fake))])
    weight = np.concatenate([np.full(len(real), 0.5 / len(real)), np.full(len(fake), 0.5 / len(fake))])
    design = np.stack([(t - centre) / scale, np.ones_like(t)], axis=1)
    line = np.zeros(2)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ line, -500, 500)))
        # A little ridge keeps the line finite where a discriminator separates both sets without an error.
        gradient = design.T @ (weight * (p - target)) + 1e-6 * line
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        line -= step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
    slope = line[0] / scale
    return Calibration(float(slope), float(line[1] - slope * centre))
