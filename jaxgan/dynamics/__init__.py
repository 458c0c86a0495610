"""Dynamics: how the turns of one train step are played, a function (rules, state, minibatches) -> (state, metrics).

It updates parameters, model state and optimizer states; the game counts the step and averages the parameters.

- `alternating`, `simultaneous`: who moves when (turns.py)
- `extragradient`, `heun`, `runge_kutta_4`, `unrolled`: look before they move (lookahead.py)
- `gated`: turns that are skipped by a rule (gated.py)
- `consensus`, `symplectic`, `competitive`: use the Jacobian of the game (jacobian.py)

Optimistic descent, extrapolation from the past and negative momentum are optimizers under `simultaneous` and
`alternating`: `optax.optimistic_gradient_descent`, `optax.optimistic_adam`, `optax.sgd(h, momentum=-0.5)`. Averaging of
iterates is `game(..., ema=...)`; lookahead, clipping and historical averaging are in `jaxgan.optimizers`.
"""

from jaxgan.dynamics.gated import gated
from jaxgan.dynamics.jacobian import competitive, consensus, symplectic
from jaxgan.dynamics.lookahead import extragradient, heun, runge_kutta_4, unrolled
from jaxgan.dynamics.turns import alternating, simultaneous

__all__ = [
    "alternating",
    "competitive",
    "consensus",
    "extragradient",
    "gated",
    "heun",
    "runge_kutta_4",
    "simultaneous",
    "symplectic",
    "unrolled",
]
