"""Dynamics that look before they move: the gradient is taken where the players would go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp

from jaxgan.dynamics.turns import field, in_rounds, move_all, prefixed
from jaxgan.types import Batch, Dynamics, Metrics, Minibatches, PyTree, Rules, TrainState, autodiff, explains


@explains
def extragradient() -> Dynamics:
    """All players step ahead, and then move from where they were by the gradient that they find there.

    Both gradients are of the same minibatch and latents. An optimizer with moments sees both (as in ExtraAdam), so that
    a schedule inside it counts two updates a round. The cheaper form that reuses the last gradient (extrapolation from
    the past) is `simultaneous()` with `optax.optimistic_gradient_descent`.

    Example:
      >>> import jaxgan as jg
      >>> jg.diagnose.bilinear(jg.dynamics.extragradient(), 0.5).tolist()  # by the slopes at (1.5, 0.5)
      [[1.0, 1.0], [1.25, 0.25]]

    Returns:
      Dynamics. On the bilinear game it converges for every learning rate below 1.
    References:
      Korpelevich. The Extragradient Method for Finding Saddle Points and Other Problems. 1976.
      Gidel et al. A Variational Inequality Perspective on Generative Adversarial Networks. ICLR 2019, algorithm 4.
    """

    def play(
        rules: Rules, playing: tuple[str, ...], number: int, state: TrainState, batch: Batch
    ) -> tuple[TrainState, Metrics]:
        gradients, model_state, metrics = field(rules, playing, number, state, batch)
        ahead = move_all(rules, gradients, state)
        gradients, _, _ = field(rules, playing, number, ahead, batch)
        state = state._replace(opt_state=ahead.opt_state, model_state=model_state)
        return move_all(rules, gradients, state), metrics

    return in_rounds(play)


@explains
def heun(regularization: float = 0.0) -> Dynamics:
    """Follows the players' joint flow by Heun's method of second order; see `runge_kutta_4` for its use and arguments.

    Example:
      >>> import jaxgan as jg
      >>> jg.diagnose.bilinear(jg.dynamics.heun(), 0.5).tolist()  # by the mean of the slopes at (1, 1) and (1.5, 0.5)
      [[1.0, 1.0], [1.375, 0.375]]

    References:
      Qin et al. Training Generative Adversarial Networks by Solving Ordinary Differential Equations. NeurIPS 2020.
    """
    return _runge_kutta((0.0, 1.0), (0.5, 0.5), regularization)


@explains
def runge_kutta_4(regularization: float = 0.0) -> Dynamics:
    """Follows the players' joint flow by the classical Runge-Kutta method of fourth order.

    The size of a step is the optimizers' learning rate: with `optax.sgd(h)` this is the method itself; an optimizer
    that is not linear in the gradient gets the stages' mean. All stages see the same minibatch and latents.

    Example:
      >>> import jaxgan as jg
      >>> end = jg.diagnose.bilinear(jg.dynamics.runge_kutta_4(), 0.1, 10)[-1]
      >>> [round(float(v), 2) for v in end]  # (cos 1 + sin 1, cos 1 - sin 1): the flow is a circle
      [1.38, -0.3]

    Args:
      regularization: weight, >= 0, of the squared norm of the other players' gradients, which the first player (the
        discriminator) descends as well; the paper's remedy for the growth of that norm.
    Returns:
      Dynamics.
    Raises:
      ValueError: the weight is negative; at trace time, a player's gradient is estimated where derivatives are needed.
    References:
      Qin et al. Training Generative Adversarial Networks by Solving Ordinary Differential Equations. NeurIPS 2020.
    """
    return _runge_kutta((0.0, 0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6), regularization)


@explains
def unrolled(steps: int, player: str = "generator", through: bool = True) -> Dynamics:
    """One player foresees the answers of all others to its move, and differentiates through them.

    Players move in turn. Before that one moves, the others' next `steps` updates are played out, by their own
    optimizers and on the same minibatch, and taken back after its gradient is found. An optimizer must be
    differentiable where it stands: Adam needs `eps_root > 0`, since a square root has no slope at its first zero.

    Example:
      >>> import jaxgan as jg
      >>> jg.diagnose.bilinear(jg.dynamics.unrolled(1), 0.5).tolist()  # slope of x (1.5 + 0.5 x)
      [[1.0, 1.0], [1.5, -0.25]]

    Args:
      steps: updates that are foreseen, >= 1.
      player: who foresees.
      through: differentiate through the answers; False takes them as they are (best responses, no foresight).
    Returns:
      Dynamics.
    Raises:
      ValueError: steps is not positive; at trace time, no such player, or another's gradient is only estimated.
    References:
      Metz, Poole, Pfau, Sohl-Dickstein. Unrolled Generative Adversarial Networks. ICLR 2017, eq. 7-9.
    """
    if steps < 1:
        raise ValueError(f"unrolled needs steps >= 1; got {steps}; for none use dynamics.alternating()")

    def play(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
        if player not in rules.players:
            raise ValueError(f"unrolled has player={player!r}; this system's players are {list(rules.players)}")
        others = [name for name in rules.players if name != player]
        require_autodiff("unrolled", rules, rules.players)
        metrics: Metrics = {}
        for name in rules.players:  # what is wrong without unrolling is said without it
            jax.eval_shape(lambda state, name=name: rules.gradient(name, 0, state, minibatches[-1]), state)

        def foreseen(owned: PyTree, update: int, state: TrainState, minibatch: Batch) -> tuple:
            later = state._replace(params=state.params | owned)
            for step in range(steps):
                for name in others:
                    # The keys of updates to come, so that no answer knows the draws of the move itself.
                    gradient, _, _ = rules.gradient(name, len(minibatches) + step, later, minibatch)
                    later = rules.move(name, gradient, later)
            kept = later.params if through else jax.lax.stop_gradient(later.params)
            return rules.loss(player, update, later._replace(params=kept | owned), minibatch)

        for name, mover in rules.players.items():
            for update, minibatch in enumerate(minibatches[-mover.updates :]):
                if name == player:
                    owned = {n: state.params[n] for n in mover.owns}
                    with second_derivatives("unrolled"):
                        (_, (model_state, observed)), gradient = jax.value_and_grad(foreseen, has_aux=True)(
                            owned, update, state, minibatch
                        )
                    gradient, model_state, observed = rules.average((gradient, model_state, observed))
                else:
                    gradient, model_state, observed = rules.gradient(name, update, state, minibatch)
                state = rules.move(name, gradient, state._replace(model_state=model_state))
            metrics |= prefixed(name, observed)
        return state, metrics

    return play


def require_autodiff(dynamics: str, rules: Rules, players: Sequence[str] | dict) -> None:
    """Refuses players whose gradient has no derivative.

    Raises:
      ValueError: names the player and what to do.
    """
    for name in players:
        if rules.players[name].gradient is not autodiff:
            raise ValueError(
                f"{dynamics} differentiates the players' gradients, but that of {name!r} is estimated; "
                "use gradient=autodiff for it, or alternating, simultaneous or extragradient dynamics"
            )


@contextlib.contextmanager
def second_derivatives(dynamics: str) -> Iterator[None]:
    """Explains a failure to differentiate what has its first derivative.

    Raises:
      ValueError: a network, a penalty or an optimizer has no second derivative; says what to do.
    """
    try:
        yield
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(
            f"{dynamics} needs second derivatives, which a loss, a network or an optimizer here does not have "
            f"({str(error).splitlines()[0]}); use alternating, simultaneous or extragradient dynamics"
        ) from error


def _runge_kutta(nodes: Sequence[float], weights: Sequence[float], regularization: float) -> Dynamics:
    """Makes an explicit method whose stages each depend on the one before."""
    if not isinstance(regularization, jax.core.Tracer) and not regularization >= 0:
        raise ValueError(f"regularization must be >= 0; got {regularization}")

    def play(
        rules: Rules, playing: tuple[str, ...], number: int, state: TrainState, batch: Batch
    ) -> tuple[TrainState, Metrics]:
        stages: list[dict[str, PyTree]] = []
        model_state, metrics = state.model_state, {}
        for node in nodes:
            here = state
            if stages:
                ahead = move_all(rules, stages[-1], state).params
                here = state._replace(
                    params=jax.tree.map(lambda start, end, a=node: start + a * (end - start), state.params, ahead)
                )
            gradients, kept, observed = field(rules, playing, number, here, batch)
            if not stages:
                model_state, metrics = kept, observed
            stages.append(gradients)
        total = jax.tree.map(lambda *g: sum(b * x for b, x in zip(weights, g, strict=True)), *stages)
        if isinstance(regularization, jax.core.Tracer) or regularization:
            total |= _descend_others(rules, playing, number, state, batch, total, regularization)
        return move_all(rules, total, state)._replace(model_state=model_state), metrics

    return in_rounds(play)


def _descend_others(
    rules: Rules,
    playing: tuple[str, ...],
    number: int,
    state: TrainState,
    batch: Batch,
    gradients: dict[str, PyTree],
    weight: float,
) -> dict[str, PyTree]:
    """Adds the slope of weight * |the others' gradients|^2 to the first player's gradient."""
    first, others = playing[0], playing[1:]
    require_autodiff("regularization", rules, others)

    def energy(owned: PyTree) -> jax.Array:
        gradients, _, _ = field(rules, others, number, state._replace(params=state.params | owned), batch)
        return squared_norm(gradients)

    slope = rules.average(jax.grad(energy)({n: state.params[n] for n in rules.players[first].owns}))
    return {first: jax.tree.map(lambda g, s: g + weight * s, gradients[first], slope)}


def squared_norm(tree: PyTree) -> jax.Array:
    """Returns the sum of the squares of all numbers in a tree, []."""
    return sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)), start=jnp.zeros((), jnp.float32))
