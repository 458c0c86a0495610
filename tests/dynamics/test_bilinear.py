"""min_x max_y xy: every dynamics has the spectral radius, and so the rate and the edge, of its theorem.

The formulas are worked from the linear recursions, not by the library: for a step matrix M of a dynamics, rho(M).
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.dynamics import (
    alternating,
    competitive,
    consensus,
    extragradient,
    heun,
    runge_kutta_4,
    simultaneous,
    symplectic,
    unrolled,
)
from tests.dynamics.games import BATCH, bilinear, game, operator, radius, state_at, trajectory

# By dynamics and learning rate h: rho^2 of one step.
RADII = {
    "simultaneous": (lambda h: simultaneous(), lambda h: 1 + h**2),
    "alternating": (lambda h: alternating(), lambda h: 1.0),
    "extragradient": (lambda h: extragradient(), lambda h: 1 - h**2 + h**4),
    "heun": (lambda h: heun(), lambda h: 1 + h**4 / 4),
    "runge_kutta_4": (lambda h: runge_kutta_4(), lambda h: 1 - h**6 / 72 + h**8 / 576),
    "consensus": (lambda h: consensus(0.7), lambda h: (1 - 0.7 * h) ** 2 + h**2),
    "symplectic": (lambda h: symplectic(0.7), lambda h: (1 - 0.7 * h) ** 2 + h**2),
    "competitive": (lambda h: competitive(h), lambda h: 1 / (1 + h**2)),
}


@pytest.mark.parametrize("name", RADII)
@pytest.mark.parametrize("h", [0.1, 0.5, 0.9])
def test_spectral_radius_is_the_theorems(name, h):
    dynamics, squared = RADII[name]
    assert radius(operator(bilinear(optax.sgd(h), dynamics(h)), (0.0, 0.0))) ** 2 == pytest.approx(squared(h), abs=2e-6)


# Where a dynamics stops to converge: the largest stable learning rate.
EDGES = {
    "extragradient": (lambda h: extragradient(), 1.0),
    "runge_kutta_4": (lambda h: runge_kutta_4(), 2 * 2**0.5),
    "consensus 0.7": (lambda h: consensus(0.7), 2 * 0.7 / (1 + 0.7**2)),
    "symplectic 0.7": (lambda h: symplectic(0.7), 2 * 0.7 / (1 + 0.7**2)),
}


@pytest.mark.parametrize("name", EDGES)
def test_it_converges_up_to_its_edge_and_not_beyond(name):
    dynamics, edge = EDGES[name]
    for factor, converges in ((0.97, True), (1.03, False)):
        h = factor * edge
        path = trajectory(bilinear(optax.sgd(h), dynamics(h)), (1.0, 0.5), 60)
        growth = np.linalg.norm(path[-1]) / np.linalg.norm(path[0])
        assert (growth < 1) == converges, (h, growth)


def test_the_best_rate_of_extragradient():
    assert radius(operator(bilinear(optax.sgd(0.5**0.5), extragradient()), (0, 0))) == pytest.approx(
        0.75**0.5, abs=1e-6
    )


def test_simultaneous_spirals_out_and_alternating_keeps_its_invariant():
    h = 0.2
    out = trajectory(bilinear(optax.sgd(h), simultaneous()), (1.0, 0.5), 100)
    np.testing.assert_allclose(
        np.linalg.norm(out, axis=1), np.linalg.norm(out[0]) * (1 + h**2) ** (np.arange(101) / 2), rtol=1e-4
    )
    x, y = trajectory(bilinear(optax.sgd(h), alternating()), (1.0, 0.5), 500).T  # x moves first
    np.testing.assert_allclose(x**2 + y**2 - h * x * y, x[0] ** 2 + y[0] ** 2 - h * x[0] * y[0], rtol=1e-4)
    assert max(abs(x)) < 2


def test_the_mean_of_alternating_iterates_approaches_the_equilibrium():
    """Averaging is the game's: a decay of t / (t + 1) makes it the plain mean of all iterates."""
    mean = {"x": lambda step: (step + 1) / (step + 2), "y": lambda step: (step + 1) / (step + 2)}
    made = bilinear(optax.sgd(0.2), alternating(), ema=mean)
    state, step = state_at(made, (1.0, 0.5)), jax.jit(made.train_step)
    state = state._replace(ema=jax.tree.map(jnp.copy, state.params))
    for _ in range(2000):
        state, _ = step(state, BATCH)
    assert abs(float(state.ema["x"]["w"][0])) < 0.01
    assert abs(float(state.params["x"]["w"][0])) + abs(float(state.params["y"]["w"][0])) > 0.5


@pytest.mark.parametrize("h", [0.2, 0.4])
def test_optimistic_descent_is_extrapolation_from_the_past(h):
    """Through optax: rho^2 = (1 + sqrt(1 - 4 h^2)) / 2 for h <= 1/2, and its iterates are that method's half steps."""
    path = trajectory(bilinear(optax.optimistic_gradient_descent(h), simultaneous()), (1.0, 0.5), 200)
    rate = (np.linalg.norm(path[200]) / np.linalg.norm(path[100])) ** (1 / 100)
    assert rate == pytest.approx(((1 + (1 - 4 * h**2) ** 0.5) / 2) ** 0.5, rel=1e-3)
    # By hand: w' = w - h F(w' before), w <- w - h F(w'); begun so that the first w' is where optax begins.
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    past, halves = turn @ path[0], []
    w = path[0] + h * past
    for _ in range(20):
        halves.append(w - h * past)
        past = turn @ halves[-1]
        w = w - h * past
    np.testing.assert_allclose(path[:20], halves, atol=1e-5)


def test_negative_momentum():
    """Alternating converges with momentum -1/2; simultaneous descent does not for any."""
    path = trajectory(bilinear(optax.sgd(0.5, momentum=-0.5), alternating()), (1.0, 0.5), 400)
    assert np.linalg.norm(path[-1]) < 1e-6
    for beta in (-0.8, -0.5, -0.2, 0.3):
        path = trajectory(bilinear(optax.sgd(0.1, momentum=beta), simultaneous()), (1.0, 0.5), 400)
        assert np.linalg.norm(path[-1]) > np.linalg.norm(path[0])


@pytest.mark.parametrize(("dynamics", "order"), [(simultaneous, 1), (heun, 2), (runge_kutta_4, 4)])
def test_flows_are_followed_to_their_order(dynamics, order):
    """The flow turns the plane; halving the step divides the error over a fixed time by 2^order."""
    errors = []
    for h, steps in ((0.4, 5), (0.2, 10)):
        x, y = trajectory(bilinear(optax.sgd(h), dynamics()), (1.0, 0.0), steps)[-1]
        errors.append(np.hypot(x - np.cos(2), y - np.sin(2)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_heun_converges_where_the_flow_contracts():
    """ODE-GAN's figure: rotation with a contracting part, where Euler's steps leave."""
    losses = {
        "x": lambda x, y: jnp.sum(0.05 * x**2 + x * y),
        "y": lambda x, y: jnp.sum(0.05 * y**2 - x * y),
    }
    ends = {}
    for name, dynamics in (("euler", simultaneous()), ("heun", heun())):
        made = game(losses, dict.fromkeys(losses, optax.sgd(0.5)), dynamics)
        ends[name] = np.linalg.norm(trajectory(made, (1.0, 0.5), 100)[-1])
    assert ends["heun"] < 0.2
    assert ends["euler"] > 10


def test_odes_regularization_descends_the_others_gradient():
    """For xy: the others' squared gradient is |x|^2 of player y, so that x gets 2 weight x more."""
    plain, regular = (operator(bilinear(optax.sgd(0.1), runge_kutta_4(w)), (0, 0)) for w in (0.0, 0.3))
    np.testing.assert_allclose(plain - regular, [[0.1 * 2 * 0.3, 0], [0, 0]], atol=1e-6)


def test_unrolling_sees_the_answer():
    """max_y xy - y^2/2: y's one step of rate h answers y + h (x - y); through it x minimises x y', not x y."""
    h, x0, y0 = 0.5, 1.0, 0.25
    losses = {"y": lambda y, x: jnp.sum(y**2 / 2 - x * y), "x": lambda y, x: jnp.sum(x * y)}
    answer = y0 + h * (x0 - y0)  # y moves before x in its own turn
    again = answer + h * (x0 - answer)
    for through, slope in ((True, again + x0 * h), (False, again)):
        made = game(losses, dict.fromkeys(losses, optax.sgd(h)), unrolled(1, "x", through))
        x, y = trajectory(made, (x0, y0), 1)[-1]
        assert y == pytest.approx(answer, abs=1e-6)
        assert x == pytest.approx(x0 - h * slope, abs=1e-6)


def test_unrolling_converges_where_alternating_circles():
    def ending(dynamics):
        losses = {"y": lambda y, x: -jnp.sum(x * y), "x": lambda y, x: jnp.sum(x * y)}
        return trajectory(game(losses, dict.fromkeys(losses, optax.sgd(0.3)), dynamics), (0.5, 1.0), 100)[-1]

    assert np.linalg.norm(ending(unrolled(5, "x"))) < 1e-3
    assert np.linalg.norm(ending(alternating())) > 0.1


def test_unrolling_through_adam():
    """Any optimizer that has a derivative; Adam's square root has none at zero without eps_root."""
    losses = {"y": lambda y, x: -jnp.sum(x * y), "x": lambda y, x: jnp.sum(x * y)}
    adam = optax.adam(0.05, b1=0.5, eps_root=1e-8)
    path = trajectory(game(losses, dict.fromkeys(losses, adam), unrolled(3, "x")), (1.0, 0.0), 20)
    assert np.all(np.isfinite(path))
    assert not np.allclose(path[0], path[-1])


def test_symplectic_alignment_turns_its_sign_at_an_unstable_point():
    """A saddle that repels: the adjustment with a fixed sign holds on to it, the aligned one leaves."""
    losses = {
        "x": lambda x, y: jnp.sum(-0.5 * x**2 + 1.0 * x * y),
        "y": lambda x, y: jnp.sum(-0.5 * y**2 - 1.0 * x * y),
    }
    fixed, aligned = (
        radius(operator(game(losses, dict.fromkeys(losses, optax.sgd(0.05)), symplectic(3.0, align)), (3.0, 3.0)))
        for align in (False, True)
    )
    assert fixed < 1 < aligned


def test_three_players():
    """A rock-paper-scissors of numbers: simultaneous spirals out, extragradient, consensus and CGD come in."""
    losses = {
        "a": lambda a, b, c: jnp.sum(a * (b - c)),
        "b": lambda a, b, c: jnp.sum(b * (c - a)),
        "c": lambda a, b, c: jnp.sum(c * (a - b)),
    }
    h = 0.1

    def growth(dynamics):
        path = trajectory(game(losses, dict.fromkeys(losses, optax.sgd(h)), dynamics), (1.0, 0.0, -1.0), 200)
        return np.linalg.norm(path[-1]) / np.linalg.norm(path[0])

    assert growth(simultaneous()) > 2
    for dynamics in (extragradient(), consensus(1.0), symplectic(1.0), competitive(h)):
        assert growth(dynamics) < 0.3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: unrolled(0), "steps >= 1; got 0"),
        (lambda: consensus(-1.0), "weight >= 0; got -1"),
        (lambda: symplectic(-1.0), "weight >= 0"),
        (lambda: competitive(0.0), "learning_rate > 0; got 0"),
        (lambda: competitive(0.1, 0), "iterations >= 1"),
        (lambda: heun(-1.0), "regularization must be >= 0"),
    ],
)
def test_bad_arguments(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_what_cannot_be_differentiated_is_named():
    def estimated(objective, owned, key):
        return jg.types.autodiff(objective, owned, key)

    for dynamics in (consensus(1.0), symplectic(), competitive(0.1), unrolled(1, "x")):
        losses = {"x": lambda x, y: jnp.sum(x * y), "y": lambda x, y: -jnp.sum(x * y)}
        made = game(losses, dict.fromkeys(losses, optax.sgd(0.1)), dynamics, gradient={"y": estimated})
        with pytest.raises(ValueError, match=r"that of 'y' is estimated; use gradient=autodiff"):
            jax.eval_shape(made.train_step, state_at(made, (0, 0)), BATCH)
    made = bilinear(optax.sgd(0.1), unrolled(1))
    with pytest.raises(ValueError, match=r"player='generator'; this system's players are \['x', 'y'\]"):
        jax.eval_shape(made.train_step, state_at(made, (0, 0)), BATCH)

    @jax.custom_vjp
    def once(x):
        return x

    once.defvjp(lambda x: (x, None), lambda _, g: (jax.pure_callback(np.asarray, g, g),))
    losses = {"x": lambda x, y: jnp.sum(once(x) * y), "y": lambda x, y: -jnp.sum(once(x) * y)}
    made = game(losses, dict.fromkeys(losses, optax.sgd(0.1)), consensus(1.0))
    with pytest.raises(ValueError, match="consensus needs second derivatives, which a loss, a network"):
        jax.eval_shape(made.train_step, state_at(made, (0, 0)), BATCH)
