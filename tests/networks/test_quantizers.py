"""Quantizers against arithmetic: who pays for what, where gradients go, and codes that all devices share."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import quantizers

RNG = np.random.default_rng(0)
Z = jnp.asarray(RNG.normal(size=(4, 2, 3)), jnp.float32)
CODES = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32)
N = Z.size


def vq(z=Z, codes=CODES, **settings):
    return quantizers.VQ(len(codes), **settings).apply({"params": {"codes": codes}}, z)


def test_the_gradient_passes_straight_through():
    """d/dz f(codes) is f' at the codes: that of sin is their cosine."""
    slope = jax.grad(lambda z: jnp.sum(jnp.sin(vq(z).codes)))(Z)
    np.testing.assert_allclose(slope, jnp.cos(vq().codes), atol=1e-6)
    assert jnp.allclose(vq().codes, CODES[vq().tokens], atol=1e-6)


def test_beta_weighs_the_encoders_term():
    """dL/dz = 2 beta (z - e) / n and dL/de = 2 (e - z) / n, summed over a code's vectors.

    The public code of VQGAN has beta at the codebook's term by default, and jax-vqvae-gpt a commitment term after the
    straight-through sum, where it is zero.
    """
    beta, tokens = 0.25, np.asarray(vq().tokens)
    slope_z, slope_e = jax.grad(lambda z, e: vq(z, e, commitment=beta).loss, (0, 1))(Z, CODES)
    apart = np.asarray(Z) - np.asarray(CODES)[tokens]
    np.testing.assert_allclose(slope_z, 2 * beta * apart / N, atol=1e-7)
    expected = np.zeros_like(CODES)
    np.add.at(expected, tokens, -2 * apart / N)
    np.testing.assert_allclose(slope_e, expected, atol=1e-7)
    assert np.abs(expected).max() > 0.01


def test_the_nearest_code_is_the_nearest():
    distances = np.sum(np.square(np.asarray(Z)[..., None, :] - np.asarray(CODES)), axis=-1)
    np.testing.assert_array_equal(vq().tokens, np.argmin(distances, axis=-1))


def test_normalised_codes_are_of_length_one():
    coded = vq(normalized=True)
    np.testing.assert_allclose(jnp.linalg.norm(coded.codes, axis=-1), 1, atol=1e-5)
    cosines = np.asarray(Z) @ np.asarray(CODES / jnp.linalg.norm(CODES, axis=-1, keepdims=True)).T
    np.testing.assert_array_equal(coded.tokens, np.argmax(cosines, axis=-1))


def ema(z=Z, counts=None, axis_name=None, **settings):
    """One training call: (what it returns, the codebook after it)."""
    counts = jnp.full((len(CODES),), 3.0) if counts is None else counts
    book = {"codes": CODES, "counts": counts, "sums": CODES * counts[:, None]}
    module = quantizers.EMAVQ(len(CODES), axis_name=axis_name, **settings)
    return module.apply({"codebook": book}, z, mutable=["codebook"], rngs={"global": jax.random.key(1)})


def test_running_means_by_hand():
    coded, moved = ema(decay=0.9, revive=0.0)
    flat, tokens = np.asarray(Z).reshape(-1, 3), np.asarray(coded.tokens).reshape(-1)
    for k in range(len(CODES)):
        count = 0.9 * 3 + 0.1 * np.sum(tokens == k)
        total = 0.9 * 3 * np.asarray(CODES)[k] + 0.1 * flat[tokens == k].sum(axis=0)
        np.testing.assert_allclose(moved["codebook"]["counts"][k], count, rtol=1e-6)
        np.testing.assert_allclose(moved["codebook"]["codes"][k], total / count, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(coded.loss, np.mean(np.square(flat - np.asarray(CODES)[tokens])), rtol=1e-5)


def test_dead_codes_are_put_on_vectors_of_the_batch():
    counts = jnp.asarray([3.0, 0.1, 3.0, 0.1, 3.0])
    coded, moved = ema(counts=counts, decay=0.99)
    after, book = moved["codebook"], np.asarray(Z).reshape(-1, 3)
    assert coded.metrics["revived"] == 2
    for k in (1, 3):
        assert np.abs(book - np.asarray(after["codes"][k])).sum(axis=1).min() == 0
        assert after["counts"][k] == 2
        np.testing.assert_array_equal(after["sums"][k], 2 * after["codes"][k])


def test_two_devices_revive_the_same_codes_as_one():
    """Of the whole batch, by one draw: the mean of what two devices chose would be no vector of it."""
    counts = jnp.asarray([3.0, 0.1, 3.0, 0.1, 3.0])
    alone, (book) = ema(counts=counts)
    halves = Z.reshape(2, 2, 2, 3)
    split, parts = jax.pmap(lambda z: ema(z, counts, axis_name="batch"), axis_name="batch", devices=jax.devices()[:2])(
        halves
    )
    for name, value in book["codebook"].items():
        np.testing.assert_array_equal(parts["codebook"][name][0], parts["codebook"][name][1])
        np.testing.assert_allclose(parts["codebook"][name][0], value, rtol=1e-6)
    np.testing.assert_allclose(split.metrics["perplexity"][1], alone.metrics["perplexity"], rtol=1e-6)


def test_all_codes_start_where_vectors_are():
    """Counts begin below the threshold: the first batch gives every code a place."""
    module = quantizers.EMAVQ(8)
    far = Z + 100.0
    variables = module.init(jax.random.key(0), far)
    _, moved = module.apply(variables, far, mutable=["codebook"], rngs={"global": jax.random.key(1)})
    assert moved["codebook"]["codes"].min() > 90
    quiet = module.apply(variables, far, train=False)
    assert "revived" not in quiet.metrics


def test_perplexity_counts_codes():
    assert float(quantizers.perplexity(jnp.zeros((4, 4), jnp.int32), 8)) == pytest.approx(1.0)
    assert float(quantizers.perplexity(jnp.arange(16, dtype=jnp.int32) % 4, 8)) == pytest.approx(4.0)


def test_entropy_by_bits_is_that_over_all_codes():
    """Six bits, 64 codes: the mean entropy is a sum over bits, that of the mean is not."""
    z, sharpness = RNG.normal(size=(7, 6)), 0.5
    codes = np.array(list(itertools.product([-1, 1], repeat=6)))
    logits = 2 * sharpness * z @ codes.T
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    mean = shares.mean(axis=0)
    sure, used = quantizers.sign_entropies(jnp.asarray(z, jnp.float32), sharpness)
    assert float(sure) == pytest.approx(-np.mean(np.sum(shares * np.log(shares), axis=1)), rel=1e-5)
    assert float(used) == pytest.approx(-np.sum(mean * np.log(mean)), rel=1e-5)
    _, apart = quantizers.sign_entropies(jnp.asarray(z, jnp.float32), sharpness, groups=6)
    assert float(apart) > float(used) + 0.01


def test_signs_pay_entropy_and_commitment():
    z = Z[..., :2]
    module = quantizers.LookupFree(2, entropy=0.3, spread=0.5, commitment=0.25, sharpness=1.0)
    coded = module.apply({}, z)
    sure, used = quantizers.sign_entropies(z, 1.0)
    apart = jnp.mean(jnp.square(z - jnp.sign(z)))
    np.testing.assert_allclose(coded.loss, 0.3 * (sure - 0.5 * used) + 0.25 * apart, rtol=1e-6)
    np.testing.assert_array_equal(coded.codes, jnp.sign(z))


def test_scalar_levels_are_the_papers():
    """Of 3 levels -1, 0, 1; of 4 levels -1, -1/2, 0, 1/2: the paper's even levels lean to the left."""
    z = jnp.asarray([[-9.0, -9.0], [0.0, -0.4], [0.0, 0.0], [9.0, 9.0]], jnp.float32)
    coded = quantizers.FSQ((3, 4)).apply({}, z)
    np.testing.assert_allclose(coded.codes, [[-1, -1], [0, -0.5], [0, 0], [1, 0.5]], atol=1e-6)
    np.testing.assert_array_equal(coded.tokens, [0, 1 + 3, 1 + 6, 2 + 9])
    assert coded.loss == 0


@pytest.mark.parametrize(
    "module",
    [quantizers.VQ(5), quantizers.EMAVQ(5), quantizers.FSQ((3, 4, 5)), quantizers.LookupFree(3, groups=3)],
    ids=lambda module: type(module).__name__,
)
def test_tokens_are_looked_up(module):
    variables = module.init(jax.random.key(0), Z)
    coded = module.apply(variables, Z) if not variables.get("codebook") else module.apply(variables, Z, train=False)
    assert coded.tokens.dtype == jnp.int32
    assert coded.tokens.shape == Z.shape[:-1]
    np.testing.assert_allclose(module.apply(variables, coded.tokens, method="lookup"), coded.codes, atol=1e-6)


def test_a_normal_law_pays_its_divergence():
    """KL(N(1, e^0) || N(0, 1)) = 1/2 and KL(N(0, 4) || N(0, 1)) = (4 - 1 - log 4) / 2, at every place."""
    statistics = jnp.tile(jnp.asarray([1.0, 0.0, 0.0, np.log(4)], jnp.float32), (3, 2, 1))
    coded = quantizers.Normal(weight=0.1).apply({}, statistics, train=False)
    np.testing.assert_allclose(coded.metrics["divergence"], 2 * (0.5 + (3 - np.log(4)) / 2), rtol=1e-5)
    np.testing.assert_allclose(coded.loss, 0.1 * coded.metrics["divergence"], rtol=1e-6)
    np.testing.assert_array_equal(coded.codes, statistics[..., :2])
    drawn = quantizers.Normal().apply({}, statistics, rngs={"global": jax.random.key(0)}).codes
    assert float(jnp.std(drawn[..., 0])) > 0.1


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (quantizers.VQ(1), (2, 3), "VQ needs size >= 2 codes; got 1"),
        (quantizers.EMAVQ(4, decay=1.0), (2, 3), "EMAVQ needs 0 <= decay < 1; got 1"),
        (quantizers.FSQ((2, 3)), (2, 2), r"FSQ needs levels >= 3, .* got \(2, 3\): LookupFree has signs"),
        (quantizers.FSQ((3, 3)), (2, 3), r"FSQ takes vectors \[B, ..., 2\]; got shape \(2, 3\): choose the encoder"),
        (quantizers.LookupFree(4, groups=3), (2, 4), "groups that divide its bits .* got bits=4, groups=3"),
        (quantizers.LookupFree(18), (2, 18), "got bits=18, groups=1"),
        (quantizers.LookupFree(26, groups=2), (2, 26), "of 24 bits at most; got 26"),
        (quantizers.Normal(), (2, 3), r"log variances \[B, ..., 2 D\]; got shape \(2, 3\)"),
    ],
)
def test_what_they_refuse(module, shape, says):
    with pytest.raises(ValueError, match=says):
        jax.eval_shape(module.init, jax.random.key(0), jnp.zeros(shape))
