"""EDM's preconditioning, the closed-form teacher, and what is distilled from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from jaxgan.networks import denoisers, mlp

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(5, 2)), jnp.float32)
SIGMA = jnp.asarray([0.01, 0.3, 1.0, 7.0, 80.0], jnp.float32)


def test_preconditioning_gives_inputs_and_targets_of_unit_variance():
    """Var(c_in x_sigma) = 1, and Var((x_0 - c_skip x_sigma) / c_out) = 1 for data of variance sigma_data^2."""
    skip, out, scale, noise = denoisers.preconditioning(SIGMA, 0.5)
    assert jnp.allclose(jnp.square(scale) * (jnp.square(SIGMA) + 0.25), 1)
    assert jnp.allclose((jnp.square(1 - skip) * 0.25 + jnp.square(skip * SIGMA)) / jnp.square(out), 1, rtol=1e-5)
    assert jnp.allclose(jnp.exp(4 * noise), SIGMA, rtol=1e-5)


def test_a_denoiser_of_nothing_returns_the_best_linear_guess():
    """F = 0 at the start of an image backbone: D = c_skip x, the mean of a Gaussian of this variance."""
    net, x = denoisers.Denoiser(denoisers.ImageBackbone(2, 1)), jnp.ones((5, 4, 4, 1), jnp.float32)
    made, variables = jax.jit(net.init_with_output)(jax.random.key(0), x, SIGMA)
    assert jnp.allclose(made["denoised"][:, 0, 0, 0], 0.25 / (0.25 + jnp.square(SIGMA)))
    assert made["features"].shape == (5, 2, 2, 4)
    with pytest.raises(ValueError, match=r"one noise level for each example, sigma \[5\]; got \(1,\)"):
        net.apply(variables, x, SIGMA[:1])


def test_the_posterior_mean_is_the_score_of_the_noised_mixture():
    """Tweedie: D = x + sigma^2 grad log p_sigma(x), with p_sigma a mixture of variance std^2 + sigma^2."""
    means, std = [(-1.0, 0.0), (1.0, 0.5), (0.0, 2.0)], 0.3
    teacher = denoisers.GaussianMixture(means, std)

    def log_density(x, sigma):
        v = std**2 + sigma**2
        modes = -0.5 * jnp.sum(jnp.square(x[None] - jnp.asarray(means)), axis=1) / v - jnp.log(v)
        return jax.scipy.special.logsumexp(modes)

    score = jax.vmap(jax.grad(log_density))(X, SIGMA)
    wanted = X + jnp.square(SIGMA)[:, None] * score
    assert jnp.allclose(teacher.apply({}, X, SIGMA), wanted, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match=r"means of 2 coordinates; got points \(5, 3\)"):
        teacher.apply({}, jnp.ones((5, 3)), SIGMA)


def test_a_generator_starts_as_the_teacher_at_its_largest_level():
    """`OneStep` has its parameters where the denoiser has them, and makes what that makes of sigma z."""
    backbone = denoisers.PointBackbone(4, 2, classes=3)
    teacher = denoisers.Denoiser(backbone, 1.0, head=mlp.Discriminator((4,)))
    labels = jnp.arange(5, dtype=jnp.int32) % 3
    sigma = jnp.full((5,), 9.0, jnp.float32)
    made, variables = teacher.init_with_output(jax.random.key(0), 9.0 * X, sigma, labels)
    assert made["logits"].shape == (5,)
    one = denoisers.OneStep(backbone, (2,), 9.0, 1.0)
    params = {"network": variables["params"]["network"]}
    assert jax.tree.structure(one.init(jax.random.key(0), X, labels)["params"]) == jax.tree.structure(params)
    assert jnp.allclose(one.apply({"params": params}, X, labels), made["denoised"])
    with pytest.raises(ValueError, match="classes=3 but was called without labels"):
        one.apply({"params": params}, X)


def test_levels_grids_and_solvers():
    """Karras' levels by hand; one Euler step from sigma to 0 is the denoised; Heun is exact where slopes are linear."""
    levels = jg.diffusion.karras(1.0, 16.0, 2.0)
    assert jnp.allclose(levels(jnp.asarray([0.0, 1 / 3, 1.0])), jnp.asarray([1.0, 4.0, 16.0]))
    assert jnp.allclose(jg.diffusion.grid(levels, 4), jnp.asarray([16.0, 9.0, 4.0, 1.0, 0.0]))
    assert jnp.allclose(jg.diffusion.within(levels, 1 / 3, 1.0)(jnp.zeros(())), 4.0)
    assert jnp.allclose(jg.diffusion.log_normal(-1.2, 1.2)(jnp.asarray(0.5)), np.exp(-1.2))

    def denoise(x, sigma):  # of N(0, 1): x / (1 + sigma^2), whose flow is x sqrt(1 + sigma^2) / sqrt(1 + sigma_0^2)
        return x / (1 + jnp.square(sigma)[:, None])

    one = jg.diffusion.solve(denoise, X, jg.diffusion.grid(jg.diffusion.karras(), 1))
    assert jnp.allclose(one, X / 6401, atol=1e-6)
    sigmas = jg.diffusion.grid(jg.diffusion.karras(0.01, 4.0), 60)
    errors = [float(jnp.abs(jg.diffusion.solve(denoise, X, sigmas, k) - X / np.sqrt(17)).max()) for k in (1, 2)]
    assert errors[0] < 0.05
    assert errors[1] < 0.05 * errors[0]
    for wrong, match in (
        (lambda: jg.diffusion.karras(2.0, 1.0), "0 < sigma_min < sigma_max and rho >= 1; got 2.0, 1.0, 7.0"),
        (lambda: jg.diffusion.within(levels, 0.5, 0.5), "low < high <= 1; got 0.5 and 0.5"),
        (lambda: jg.diffusion.log_normal(0, -1), "std >= 0; got -1"),
        (lambda: jg.diffusion.grid(levels, 0), "steps >= 1; got 0"),
        (lambda: jg.diffusion.solve(denoise, X, sigmas, 3), r"order 1 \(Euler\) or 2 \(Heun\); got 3"),
    ):
        with pytest.raises(ValueError, match=match):
            wrong()
