"""Dynamics that know how the players' gradients depend on each other: the Jacobian H of the game's vector field.

H is never formed. Products with it and with its transpose are taken by reverse mode alone, twice where need be, since
layers with a derivative of their own (`networks.layers`) refuse forward mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.dynamics.lookahead import require_autodiff, second_derivatives
from jaxgan.dynamics.turns import field, in_rounds, move_all
from jaxgan.types import Batch, Dynamics, Metrics, PyTree, Rules, TrainState, explains

Vectors = dict[str, PyTree]  # by player, shaped like what it owns
Product = Callable[[Vectors], Vectors]
Adjust = Callable[[Vectors, Product, Product], Vectors]  # (xi, H^T, H) -> the gradients that the optimizers get


@explains
def consensus(weight: float) -> Dynamics:
    """Simultaneous descent that also descends the squared norm of the vector field: xi + weight * H^T xi.

    The paper's gamma; its reference code carries an extra 1/2 on the second term, this does not.

    Example:
      >>> import jaxgan as jg
      >>> jg.diagnose.bilinear(jg.dynamics.consensus(1.0), 0.5).tolist()  # and down (x^2 + y^2) / 2
      [[1.0, 1.0], [1.0, 0.0]]

    Args:
      weight: gamma, >= 0 (10 in the paper's experiments).
    Returns:
      Dynamics. On the bilinear game it converges for learning rates below 2 gamma / (1 + gamma^2).
    Raises:
      ValueError: the weight is negative; at trace time, derivatives of a gradient cannot be had.
    References:
      Mescheder, Nowozin, Geiger. The Numerics of GANs. NeurIPS 2017, algorithm 2.
    """
    _check("consensus", weight)
    return _adjusted("consensus", lambda xi, transposed, product: _add(xi, weight, transposed(xi)))


@explains
def symplectic(weight: float = 1.0, align: bool = True) -> Dynamics:
    """Symplectic gradient adjustment: xi + lambda A^T xi, with A = (H - H^T) / 2 the rotation in the game.

    Example:
      >>> import jaxgan as jg
      >>> jg.diagnose.bilinear(jg.dynamics.symplectic(1.0), 0.5).tolist()  # on this game, all rotation, it is consensus
      [[1.0, 1.0], [1.0, 0.0]]

    Args:
      weight: |lambda|, >= 0.
      align: choose the sign of lambda so that the adjustment is drawn to stable fixed points and pushed off unstable
        ones (the paper's criterion, with epsilon = 0.1); False: always +.
    Returns:
      Dynamics.
    Raises:
      ValueError: the weight is negative; at trace time, derivatives of a gradient cannot be had, or a network has two
        owners.
    References:
      Balduzzi et al. The Mechanics of n-Player Differentiable Games. ICML 2018, algorithm 1.
    """
    _check("symplectic", weight)

    def adjust(xi: Vectors, transposed: Callable[[Vectors], Vectors], product: Callable[[Vectors], Vectors]) -> Vectors:
        hamiltonian = transposed(xi)  # the gradient of |xi|^2 / 2
        rotation = jax.tree.map(lambda a, b: (a - b) / 2, hamiltonian, product(xi))
        sign: Any = 1.0
        if align:
            size = sum(leaf.size for leaf in jax.tree.leaves(xi))
            agreement = _inner(xi, hamiltonian) * _inner(rotation, hamiltonian) / size + 0.1
            sign = jnp.where(agreement < 0, -1.0, 1.0)
        return _add(xi, sign * weight, rotation)

    return _adjusted("symplectic", adjust)


@explains
def competitive(learning_rate: float, iterations: int = 20) -> Dynamics:
    """Competitive gradient descent: each player's move is the best answer to the others' moves, to first order.

    The moves d solve (I + learning_rate * H') d = xi, where H' is H without its diagonal blocks; here by conjugate
    gradients on the normal equations. The paper derives it for two players; the same equation is the Nash equilibrium
    of the local bilinear game for any number.

    Example:
      >>> import jaxgan as jg
      >>> end = jg.diagnose.bilinear(jg.dynamics.competitive(0.5), 0.5)[-1]
      >>> [round(float(v), 3) for v in end]  # y = 1 + 0.5 x, x = 1 - 0.5 y
      [1.2, 0.4]

    Args:
      learning_rate: that of the players' optimizers, > 0: use `optax.sgd(learning_rate)`.
      iterations: of conjugate gradients, >= 1, at most; each costs four products with H or its transpose.
    Returns:
      Dynamics. On the bilinear game it is the implicit method, and converges for every learning rate.
    Raises:
      ValueError: learning_rate or iterations is out of range; at trace time, derivatives of a gradient cannot be had,
        or a network has two owners.
    References:
      Schäfer, Anandkumar. Competitive Gradient Descent. NeurIPS 2019, eq. 4.
    """
    if not isinstance(learning_rate, jax.core.Tracer) and not learning_rate > 0:
        raise ValueError(f"competitive needs learning_rate > 0; got {learning_rate}")
    if iterations < 1:
        raise ValueError(f"competitive needs iterations >= 1; got {iterations}")

    def adjust(xi: Vectors, transposed: Product, product: Product) -> Vectors:
        def answers(by: Product, moves: Vectors) -> Vectors:
            """Moves, and to each what the others' moves change in it."""
            changed = {}
            for name in moves:
                others = moves | {name: jax.tree.map(jnp.zeros_like, moves[name])}
                changed[name] = _add(moves[name], learning_rate, by(others)[name])
            return changed

        def normal(moves: Vectors) -> Vectors:
            return answers(transposed, answers(product, moves))

        start = answers(transposed, xi)
        return jax.scipy.sparse.linalg.cg(normal, start, x0=xi, maxiter=iterations, tol=1e-7)[0]

    return _adjusted("competitive", adjust)


def _adjusted(name: str, adjust: Adjust) -> Dynamics:
    """Makes a dynamics of simultaneous moves by adjusted gradients."""

    def play(
        rules: Rules, playing: tuple[str, ...], number: int, state: TrainState, batch: Batch
    ) -> tuple[TrainState, Metrics]:
        require_autodiff(name, rules, playing)
        owned = {player: {n: state.params[n] for n in rules.players[player].owns} for player in playing}
        names = [n for networks in owned.values() for n in networks]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"{name} needs networks with one owner each; {twice} have several: use alternating")

        def gradients_at(owned: Vectors) -> tuple[Vectors, tuple[PyTree, Metrics]]:
            params = state.params | {n: p for networks in owned.values() for n, p in networks.items()}
            gradients, model_state, metrics = field(rules, playing, number, state._replace(params=params), batch)
            return gradients, (model_state, metrics)

        jax.eval_shape(gradients_at, owned)  # what is wrong with the first derivatives is said without the lines below
        with second_derivatives(name):
            xi, pull, (model_state, metrics) = jax.vjp(gradients_at, owned, has_aux=True)

            def transposed(vectors: Vectors) -> Vectors:
                return rules.average(pull(vectors)[0])

            def product(vectors: Vectors) -> Vectors:
                _, push = jax.vjp(lambda u: pull(u)[0], vectors)  # linear in u: where does not matter
                return rules.average(push(vectors)[0])

            gradients = adjust(xi, transposed, product)
        return move_all(rules, gradients, state)._replace(model_state=model_state), metrics

    return in_rounds(play)


def _add(one: PyTree, weight: Any, other: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: a + weight * b, one, other)


def _inner(one: PyTree, other: PyTree) -> Array:
    return sum(jax.tree.leaves(jax.tree.map(lambda a, b: jnp.sum(a * b), one, other)), start=jnp.zeros((), jnp.float32))


def _check(name: str, weight: float) -> None:
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:
        raise ValueError(f"{name} needs a weight >= 0; got {weight}")
