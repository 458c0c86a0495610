"""At the best answer of the discriminator, a loss is what its theorem says: a divergence of p and q."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

import jaxgan as jg
from jaxgan.losses.divergences import divergence
from tests.losses.references import FAMILY, PI, arguments

# Two distributions on three atoms, and samples that have exactly these shares.
P, Q = np.array([1, 2, 5]) / 8, np.array([4, 2, 2]) / 8
OF_P, OF_Q = np.repeat([0, 1, 2], [1, 2, 5]), np.repeat([0, 1, 2], [4, 2, 2])
RATIO = np.log(P / Q)


def kl(p, q):
    return np.sum(p * np.log(p / q))


def js(p, q):
    return kl(p, (p + q) / 2) / 2 + kl(q, (p + q) / 2) / 2


def order_inverse(a):
    """v where g_f(v) = f'(u) = (u^(a - 1) - 1)/(a - 1), by the logarithm of u."""
    if a > 1:
        return lambda l: np.expm1((a - 1) * l) / (a - 1)
    s = lambda l: np.exp((a - 1) * l) / (1 - a)  # noqa: E731
    return lambda l: -s(l) - np.log(-np.expm1(-s(l)))  # -log(e^s - 1)


# The network's output at which T = f'(p/q), by log(p/q).
BEST = {
    "kl": lambda l: 1 + l,
    "reverse_kl": lambda l: l,
    "pearson": lambda l: 2 * np.expm1(l),
    "neyman": lambda l: 2 * l,
    "squared_hellinger": lambda l: l / 2,
    "jeffrey": lambda l: l + 1 - np.exp(-l),
    "jensen_shannon": lambda l: l,
    "weighted_jensen_shannon": lambda l: (
        -np.log(np.expm1(-PI * np.log(PI) - PI * (l - np.log(1 - PI + PI * np.exp(l)))))
    ),
    "gan": lambda l: l,
    "total_variation": lambda l: 30 * np.sign(l),
    "alpha 0.5": order_inverse(0.5),
    "alpha 2.5": order_inverse(2.5),
    "alpha -1": order_inverse(-1.0),
}


def on_atoms(objective):
    """The objective as a function of the logits of the three atoms, [3]."""
    return lambda v: objective(v[OF_P], v[OF_Q])


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", FAMILY)
def test_the_bound_is_the_divergence_at_the_best_output_and_below_it_elsewhere(name):
    names, parameters = arguments(name)
    loss, f = jg.losses.f_divergence(*names, **parameters), FAMILY[name][0]
    expected = np.sum(Q * f(P / Q))
    best = jnp.asarray(BEST[name](RATIO))
    value, slope = jax.value_and_grad(on_atoms(loss.discriminator))(best)
    np.testing.assert_allclose(-value, expected, rtol=1e-9)
    np.testing.assert_allclose(slope, 0.0, atol=1e-9)
    for shift in np.random.default_rng(0).normal(0, 1, (10, 3)):
        assert -on_atoms(loss.discriminator)(best + shift) <= expected + 1e-12


@pytest.mark.parametrize("name", FAMILY)
def test_conjugates_are_suprema(name):
    """f*(t) = sup over u >= 0 of u t - f(u), searched numerically, at the t that the activation gives."""
    names, parameters = arguments(name)
    row, f = divergence(*names, **parameters), FAMILY[name][0]
    for v in (-3.0, -1.7, -0.4, 0.0, 0.6, 1.5, 2.5):
        t, conjugate = (float(part(jnp.asarray(v))) for part in row)
        found = minimize_scalar(lambda y, t=t: f(np.exp(y)) - np.exp(y) * t, bounds=(-14, 14), options={"xatol": 1e-9})
        np.testing.assert_allclose(conjugate, -found.fun, rtol=2e-5, atol=2e-5)


D = 0.7  # between the means of two normal distributions of variance 1
GAUSSIANS = {
    "kl": D**2 / 2,
    "reverse_kl": D**2 / 2,
    "pearson": np.expm1(D**2),
    "neyman": np.expm1(D**2),
    "squared_hellinger": 2 - 2 * np.exp(-(D**2) / 8),
    "jeffrey": D**2,
    "total_variation": 2 * norm.cdf(D / 2) - 1,
    "alpha 0.5": -np.expm1(-(D**2) / 8) * 4,
    "alpha 2.5": np.expm1(3.75 * D**2 / 2) / 3.75,
    "alpha -1": np.expm1(D**2) / 2,
}


@pytest.mark.parametrize("name", GAUSSIANS)
def test_the_bound_of_two_gaussians_is_their_divergence(name):
    names, parameters = arguments(name)
    row = divergence(*names, **parameters)
    x, step = np.linspace(-12, 12, 48001, retstep=True)
    v = jnp.asarray(BEST[name](norm.logpdf(x) - norm.logpdf(x, D)))
    bound = step * np.sum(norm.pdf(x) * row.activation(v) - norm.pdf(x, D) * row.conjugate(v))
    np.testing.assert_allclose(bound, GAUSSIANS[name], rtol=1e-6)


def test_the_gan_row_is_minimax_and_the_practical_form_another_generator():
    real, fake = jnp.array([0.3, -2.0]), jnp.array([1.0, 0.2])
    loss = jg.losses.f_divergence("gan")
    for mine, theirs in zip(loss, jg.losses.minimax, strict=True):
        np.testing.assert_allclose(mine(real, fake), theirs(real, fake), rtol=1e-12)
    practical = jg.losses.f_divergence("gan", saturating=False)
    np.testing.assert_allclose(practical.generator(real, fake), jg.losses.non_saturating.generator(real, fake))


def test_minimax_at_its_best_is_twice_jensen_shannon_minus_two_log_two():
    value, slope = jax.value_and_grad(on_atoms(jg.losses.minimax.discriminator))(jnp.asarray(RATIO))
    np.testing.assert_allclose(-value, 2 * js(P, Q) - 2 * np.log(2), rtol=1e-12)
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)


def test_both_logistic_generators_together_see_the_reverse_divergence():
    both = sum(on_atoms(loss.generator)(jnp.asarray(RATIO)) for loss in (jg.losses.minimax, jg.losses.non_saturating))
    np.testing.assert_allclose(both, kl(Q, P), rtol=1e-12)


def test_hinge_at_its_best_is_total_variation():
    variation = np.abs(P - Q).sum() / 2
    best = jnp.asarray(np.sign(P - Q))
    np.testing.assert_allclose(on_atoms(jg.losses.hinge.discriminator)(best), 2 * (1 - variation), rtol=1e-12)
    np.testing.assert_allclose(-on_atoms(jg.losses.wasserstein.discriminator)(best), 2 * variation, rtol=1e-12)
    for shift in np.random.default_rng(0).normal(0, 1, (10, 3)):
        assert on_atoms(jg.losses.hinge.discriminator)(best + shift) >= 2 * (1 - variation)


def test_least_squares_at_their_best():
    """D* = p/(p + q), value 1/2 sum p q / (p + q)."""
    value, slope = jax.value_and_grad(on_atoms(jg.losses.least_squares.discriminator))(jnp.asarray(P / (P + Q)))
    np.testing.assert_allclose(value, np.sum(P * Q / (P + Q)) / 2, rtol=1e-12)
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)


def test_least_squares_with_the_papers_targets_is_pearsons_divergence():
    """b - c = 1 and b - a = 2: the generator's cost, with its term on the data, is half chi^2(p + q || 2 q)."""
    loss = jg.losses.least_squares_targets(a=-1.0, b=1.0, c=0.0)
    best = jnp.asarray((P - Q) / (P + Q))
    np.testing.assert_allclose(jax.grad(on_atoms(loss.discriminator))(best), 0.0, atol=1e-12)
    on_samples, on_data = loss.generator(best[OF_P], best[OF_Q]), loss.generator(best[OF_Q], best[OF_P])
    np.testing.assert_allclose(2 * (on_samples + on_data), np.sum((2 * Q - (P + Q)) ** 2 / (P + Q)), rtol=1e-12)


def test_relativistic_pairing_at_its_best_is_the_divergence_of_ordered_pairs():
    """Over all pairs, critic log(p/q): log 2 - loss = JS(p x q, q x p), between JS(p, q) and min(2 JS, log 2)."""
    real, fake = np.repeat(OF_P, 8), np.tile(OF_Q, 8)
    value, slope = jax.value_and_grad(lambda v: jg.losses.relativistic.discriminator(v[real], v[fake]))(
        jnp.asarray(RATIO)
    )
    distance = np.log(2) - value
    np.testing.assert_allclose(distance, js(np.outer(P, Q), np.outer(Q, P)), rtol=1e-12)
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)
    assert js(P, Q) <= distance <= min(2 * js(P, Q), np.log(2))


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("pearson", lambda u: (u - 1) ** 2 / 2),
        ("kl", lambda u: u * np.log(u)),
        ("gan", lambda u: u * np.log(u) - (u + 1) * np.log(u + 1)),
    ],
)
def test_density_ratios_are_found(name, f):
    """At r = p/q the discriminator is at rest with minus the divergence, which is what the generator sees."""
    loss = jg.losses.density_ratio(name)
    value, slope = jax.value_and_grad(on_atoms(loss.discriminator))(jnp.asarray(RATIO))
    np.testing.assert_allclose(value, -np.sum(Q * f(P / Q)), rtol=1e-9)
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)
    np.testing.assert_allclose(on_atoms(loss.generator)(jnp.asarray(RATIO)), np.sum(Q * f(P / Q)), rtol=1e-9)
    for shift in np.random.default_rng(0).normal(0, 1, (10, 3)):
        assert on_atoms(loss.discriminator)(jnp.asarray(RATIO + shift)) >= value


def test_energies_that_cannot_be_told_apart_cost_the_margin():
    for level in (0.0, 0.4, 1.0):
        energies = jnp.full(4, level)
        np.testing.assert_allclose(jg.losses.energy_based(1.0).discriminator(energies, energies), 1.0)


def test_smoothed_discriminators_are_at_rest_at_the_smoothed_posterior():
    """D* = (alpha p + beta q) / (p + q)."""
    posterior = (0.9 * P + 0.2 * Q) / (P + Q)
    best = jnp.asarray(np.log(posterior / (1 - posterior)))
    loss = jg.losses.smoothed(jg.losses.minimax, 0.9, 0.2)
    np.testing.assert_allclose(jax.grad(on_atoms(loss.discriminator))(best), 0.0, atol=1e-12)
