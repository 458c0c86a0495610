"""Dirac-GAN: the update operator of our own train step has the eigenvalues of the paper, and trajectories its verdicts.

Mescheder, Geiger, Nowozin. Which Training Methods for GANs do actually Converge? ICML 2018, section 2 and table 1. Data
are a point at 0, the generator is a point at theta, D(x) = psi x. Losses and penalties are the library's.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.dynamics import alternating, consensus, simultaneous
from jaxgan.optimizers import clip_weights
from tests.dynamics.games import operator, trajectory

F = 0.5  # |f'(0)| of the logistic loss
DATA = np.zeros((1, 1), np.float32)


class Point(nn.Module):
    @nn.compact
    def __call__(self, z):
        return jnp.zeros_like(z) + self.param("w", nn.initializers.ones, (1,)).reshape(1, 1)


class Line(nn.Module):
    @nn.compact
    def __call__(self, x):
        return jnp.sum(x * self.param("w", nn.initializers.ones, (1,)).reshape(1, 1), axis=1)


def dirac(loss, h, dynamics, penalty=None, n_critic=1, clip=None):
    """The game; numbers come as (psi, theta), in the order of the networks' names."""
    sgd = optax.sgd(h)
    optimizer = {"discriminator": clip_weights(sgd, clip) if clip else sgd, "generator": sgd}
    system = jg.systems.gan(
        loss=loss, prior=jg.priors.normal(1), optimizer=optimizer, penalty=penalty, n_critic=n_critic
    )
    return jg.game({"generator": Point(), "discriminator": Line()}, system, dynamics=dynamics)


def eigenvalues(made):
    return sorted(np.linalg.eigvals(operator(made, (0.0, 0.0))), key=lambda z: (z.imag, z.real))


def pair(real, imaginary):
    """A conjugate pair real -+ i imaginary, or two real numbers where the square of `imaginary` is negative."""
    root = np.emath.sqrt(-complex(imaginary))  # `imaginary` is the square
    return sorted([real - root, real + root], key=lambda z: (z.imag, z.real))


# Eigenvalues mu of the flow, as (real part, square of the imaginary part); the simultaneous operator has 1 + h mu.
FLOW = {
    "minimax": (jg.losses.minimax, None, simultaneous(), 0.0, F**2),
    "non-saturating": (jg.losses.non_saturating, None, simultaneous(), 0.0, F**2),
    "wasserstein": (jg.losses.wasserstein, None, simultaneous(), 0.0, 1.0),
    "r1 0.3": (jg.losses.minimax, jg.penalties.r1(0.3), simultaneous(), -0.15, F**2 - 0.15**2),
    "r1 1, critical": (jg.losses.minimax, jg.penalties.r1(1.0), simultaneous(), -0.5, 0.0),
    "r1 3": (jg.losses.non_saturating, jg.penalties.r1(3.0), simultaneous(), -1.5, F**2 - 1.5**2),
    "r2 0.3": (jg.losses.non_saturating, jg.penalties.r2(0.3), simultaneous(), -0.15, F**2 - 0.15**2),
    "r1 and r2": (
        jg.losses.minimax,
        jg.penalties.total(jg.penalties.r1(0.3), jg.penalties.r2(0.3)),
        simultaneous(),
        -0.3,
        F**2 - 0.3**2,
    ),
    "consensus 1": (jg.losses.minimax, None, consensus(1.0), -(F**2), F**2),
    "relativistic": (jg.losses.relativistic, None, simultaneous(), 0.0, F**2),
}


@pytest.mark.parametrize("name", FLOW)
@pytest.mark.parametrize("h", [0.05, 0.2])
def test_eigenvalues_of_simultaneous_steps(name, h):
    loss, penalty, dynamics, real, square = FLOW[name]
    found = eigenvalues(dirac(loss, h, dynamics, penalty))
    # At the critical gamma two eigenvalues meet, and a rounding in the matrix moves them by its square root.
    tolerance = 2e-3 if square == 0 else 2e-5
    np.testing.assert_allclose(found, pair(1 + h * real, h**2 * square), atol=tolerance)


@pytest.mark.parametrize(("n_critic", "h"), [(1, 0.2), (5, 0.2), (1, 4.5), (5, 2.0)])
def test_eigenvalues_of_alternating_steps(n_critic, h):
    """1 - a^2/2 +- sqrt((1 - a^2/2)^2 - 1) with a = sqrt(n) h f'(0): on the unit circle up to a = 2."""
    found = eigenvalues(dirac(jg.losses.minimax, h, alternating(), n_critic=n_critic))
    a = np.sqrt(n_critic) * h * F
    np.testing.assert_allclose(found, pair(1 - a**2 / 2, 1 - (1 - a**2 / 2) ** 2), atol=1e-4)
    assert (a <= 2) == (max(abs(np.array(found))) < 1 + 1e-4)


@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_alternating_steps_with_r1_up_to_their_edge(gamma):
    for h in (0.2, 1.0):
        found = eigenvalues(dirac(jg.losses.minimax, h, alternating(), jg.penalties.r1(gamma)))
        half = 1 - h * gamma / 2 - h**2 * F**2 / 2
        np.testing.assert_allclose(found, pair(half, (1 - h * gamma) - half**2), atol=1e-4)
    edge = (-gamma + np.sqrt(gamma**2 + 4 * F**2)) / F**2
    for factor, stable in ((0.99, True), (1.01, False)):
        made = dirac(jg.losses.minimax, factor * edge, alternating(), jg.penalties.r1(gamma))
        assert (max(abs(np.array(eigenvalues(made)))) < 1) == stable


def radii(made, start=(1.0, 1.0), steps=500):
    return np.linalg.norm(trajectory(made, start, steps), axis=1)


def test_unregularised_games_do_not_converge():
    for loss in (jg.losses.minimax, jg.losses.wasserstein):
        assert radii(dirac(loss, 0.2, simultaneous()))[-1] > 3  # spirals out
        r = radii(dirac(loss, 0.2, alternating()))
        assert 0.8 < min(r) < max(r) < 2.2  # circles
    r = radii(dirac(jg.losses.wasserstein, 0.2, simultaneous(), clip=0.5))
    assert min(r[200:]) > 0.3  # a limit cycle at the box
    assert max(r) < 10


def test_the_non_saturating_game_ends_on_a_circle_or_creeps():
    """Simultaneous steps circle at r = sqrt(2 h); alternating ones approach like sqrt(8 / (h n))."""
    h = 0.1
    r = radii(dirac(jg.losses.non_saturating, h, simultaneous()), (0.3, 0.3), 4000)
    assert r[-500:].mean() == pytest.approx(np.sqrt(2 * h), rel=0.1)
    r = radii(dirac(jg.losses.non_saturating, 0.2, alternating()), (1.0, 1.0), 4000)
    assert r[-1] == pytest.approx(np.sqrt(8 / (0.2 * 4000)), rel=0.15)


@pytest.mark.parametrize("dynamics", [simultaneous(), alternating()])
@pytest.mark.parametrize("penalty", [jg.penalties.r1(0.3), jg.penalties.r2(0.3), jg.penalties.r1(1.0)])
@pytest.mark.parametrize("loss", [jg.losses.minimax, jg.losses.non_saturating])
def test_zero_centred_penalties_converge(loss, penalty, dynamics):
    assert radii(dirac(loss, 0.2, dynamics, penalty))[-1] < 1e-3


def test_consensus_converges():
    assert radii(dirac(jg.losses.minimax, 0.2, consensus(1.0)))[-1] < 1e-4


@pytest.mark.parametrize("dynamics", [simultaneous(), alternating()])
def test_a_penalty_with_another_target_does_not_converge(dynamics):
    """WGAN-GP pushes |psi| to 1, where the generator is never at rest."""
    r = radii(dirac(jg.losses.wasserstein, 0.05, dynamics, jg.penalties.gradient_penalty(0.5)), steps=1500)
    assert min(r[-500:]) > 0.05
