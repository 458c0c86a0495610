"""Local convergence: the eigenvalues of the game's vector field around a point, without its Jacobian.

A game at rest converges to where it stands if all eigenvalues lambda of the Jacobian of -xi (xi: all players'
gradients, one after the other) have a negative real part, and gradient steps of rate h if |1 + h lambda| < 1.
Where the players are not at rest, the eigenvalues tell which way the linearised game bends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import numpy as np
from jax import Array

from jaxgan.dynamics.lookahead import require_autodiff, second_derivatives
from jaxgan.dynamics.turns import field
from jaxgan.game import game
from jaxgan.types import Batch, Metrics, Minibatches, Network, PyTree, Rules, System, TrainState

ENDS = ("LR", "LM", "LI")  # of the spectrum: largest real part, size and imaginary part; one of them limits any rate
DENSE = 40  # numbers of a game up to which its Jacobian is formed after all; Arnoldi needs room


class Spectrum(NamedTuple):
    """The ends of the spectrum of the game's flow at a point."""

    eigenvalues: np.ndarray  # [K] complex128 of the Jacobian of -xi, by falling real part
    rate: float  # supremum of the rates h at which simultaneous gradient steps contract, by these eigenvalues; 0: none
    converged: bool  # whether Arnoldi found all that were asked for

    def radius(self, rate: float) -> float:
        """Returns max |1 + rate * lambda|: below 1 simultaneous gradient steps of this rate contract."""
        return float(np.max(np.abs(1 + rate * self.eigenvalues)))


def spectrum(
    networks: Mapping[str, Network],
    system: System,
    state: TrainState,
    batch: Batch | Minibatches,
    count: int = 6,
    iterations: int = 60,
    seed: int = 0,
) -> Spectrum:
    """Computes the eigenvalues with the largest real part, size and imaginary part, by implicitly restarted Arnoldi.

    The matrix is known by its products alone, reverse mode over reverse mode (its transpose has the same eigenvalues):
    each costs about two steps of training. All players see the same minibatch and latents.

    Args:
      networks: by name, as for `game`.
      system: who plays.
      state: the point, and the key and step that the latents are drawn by.
      batch: as for the game's train step; the last of its minibatches is used.
      count: eigenvalues at each end, >= 1.
      iterations: restarts of Arnoldi at each end, >= 1, at most.
      seed: of Arnoldi's first vector.
    Returns:
      Spectrum: between `count` and 3 * `count` eigenvalues, and what conjugates them; fewer if not converged.
    Raises:
      ValueError: count or iterations is not positive, a gradient has no derivative, the state is not finite, or a
        network has two owners.
    References:
      Mescheder, Nowozin, Geiger. The Numerics of GANs. NeurIPS 2017, section 3 (the Jacobian of the vector field).
      Berard et al. A Closer Look at the Optimization Landscapes of Generative Adversarial Networks. ICLR 2020.
    """
    if count < 1 or iterations < 1:
        raise ValueError(f"spectrum needs count >= 1 and iterations >= 1; got {count} and {iterations}")
    names = [name for player in system.players.values() for name in player.owns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the spectrum needs networks with one owner each; {twice} have several")
    owned = {name: state.params[name] for name in names}
    flat, unflatten = jax.flatten_util.ravel_pytree(owned)
    if not np.isfinite(flat).all():
        raise ValueError("the parameters are not finite: there is no point to look around")

    @jax.jit
    def product(state: TrainState, batch: Batch | Minibatches, vector: Array) -> Array:
        """Returns -J^T vector, J the Jacobian of xi."""
        play = game(networks, system, dynamics=_pulled(unflatten(vector))).train_step(state, batch)
        return -jax.flatten_util.ravel_pytree(play[1]["pulled"])[0]

    def matvec(vector: np.ndarray) -> np.ndarray:
        image = product(state, batch, np.asarray(vector, np.float32).reshape(-1))
        return np.asarray(image, np.float64)

    size = flat.size
    if size <= DENSE:
        eigenvalues, converged = np.linalg.eigvals(np.stack([matvec(row) for row in np.eye(size)], axis=1)), True
    else:
        eigenvalues, converged = _ends(matvec, size, count, iterations, seed)
    eigenvalues = eigenvalues[np.argsort(-eigenvalues.real, kind="stable")]
    return Spectrum(eigenvalues, _rate(eigenvalues), converged)


def _pulled(vectors: PyTree) -> Any:
    """A dynamics in which nobody moves: it tells J^T applied to vectors by network."""

    def play(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
        require_autodiff("the spectrum", rules, rules.players)
        owned_params = {name: state.params[name] for player in rules.players.values() for name in player.owns}

        def xi(owned: PyTree) -> PyTree:
            here = state._replace(params=state.params | owned)
            gradients, _, _ = field(rules, tuple(rules.players), 0, here, minibatches[-1])
            return {name: gradient for player in gradients.values() for name, gradient in player.items()}

        with second_derivatives("the spectrum"):
            _, pull = jax.vjp(xi, owned_params)
            return state, {"pulled": pull(vectors)[0]}

    return play


def _ends(
    matvec: Callable[[np.ndarray], np.ndarray], size: int, count: int, iterations: int, seed: int
) -> tuple[np.ndarray, bool]:
    """Returns the distinct eigenvalues at all ends."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs  # slow to import, and seldom needed

    operator = LinearOperator((size, size), matvec, dtype=np.float64)
    start = np.random.default_rng(seed).normal(size=size)
    values, converged = [], True
    for end in ENDS:
        try:
            values += list(eigs(operator, count, which=end, v0=start, maxiter=iterations, tol=1e-3)[0])
        except ArpackNoConvergence as error:
            values += list(error.eigenvalues)
            converged = False
    distinct: list[complex] = []
    for value in values:
        for one in (value, np.conj(value)):  # of a pair, Arnoldi may return half
            if all(abs(one - other) > 1e-2 * abs(other) for other in distinct):
                distinct.append(one)
    return np.array(distinct, np.complex128), converged


def _rate(eigenvalues: np.ndarray) -> float:
    """|1 + h lambda| < 1 if and only if h < 2 |Re lambda| / |lambda|^2, for Re lambda < 0."""
    if not eigenvalues.size or eigenvalues.real.max() >= 0:
        return 0.0
    return float(np.min(2 * -eigenvalues.real / np.abs(eigenvalues) ** 2))
