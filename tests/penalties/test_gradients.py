"""Penalties on slopes, against a linear critic w = (3, 4) whose gradient has the norm 5 everywhere."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from jaxgan.penalties import dragan, gradient_penalty, jensen_shannon, r1, r2, total, zero_centred

TURN = jg.Turn(key=jax.random.key(7), step=jnp.zeros((), jnp.int32))
REAL = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.0, 0.0]])
FAKE = jnp.array([[0.5, 0.5], [-2.0, 1.0], [4.0, 1.0]])


def linear(x):
    return x @ jnp.array([3.0, 4.0])


def quadratic(x):
    """Gradient 2 x, so ||grad||^2 = 4 ||x||^2: it tells where the critic is looked at."""
    return jnp.sum(jnp.square(x), axis=tuple(range(1, x.ndim)))


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (gradient_penalty(10.0), 160.0),  # 10 (5 - 1)^2
        (gradient_penalty(10.0, target=0.0), 250.0),
        (gradient_penalty(1.0, target=5.0), 0.0),
        (r1(10.0), 125.0),  # 10/2 * 25
        (r2(10.0), 125.0),
        (r1(0.0), 0.0),
        (total(r1(10.0), r2(10.0), gradient_penalty(10.0)), 410.0),
        (total(), 0.0),
    ],
)
@pytest.mark.parametrize("jit", [False, True])
def test_linear_critic(penalty, expected, jit):
    def value(real, fake):
        return penalty(linear, real, fake, TURN)

    result = (jax.jit(value) if jit else value)(REAL, FAKE)
    chex.assert_shape(result, ())
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_r1_looks_at_real_and_r2_at_fake():
    # mean ||x||^2: real (5 + 10 + 0)/3 = 5, fake (.5 + 5 + 17)/3 = 7.5; times gamma/2 * 4
    np.testing.assert_allclose(r1(3.0)(quadratic, REAL, FAKE, TURN), 30.0, rtol=1e-6)
    np.testing.assert_allclose(r2(3.0)(quadratic, REAL, FAKE, TURN), 45.0, rtol=1e-6)


@pytest.mark.parametrize(("real", "fake"), [(1.0, 0.0), (0.0, 1.0)])
def test_gradient_penalty_looks_between_real_and_fake(real, fake):
    """On the way from 0 to a point p the norm 2 |x| is uniform in [0, 2 |p|]: here |p| = 2, and E norm^2 = 16/3."""
    real, fake = jnp.full((256, 2, 2), real), jnp.full((256, 2, 2), fake)
    value = gradient_penalty(1.0, target=0.0)(quadratic, real, fake, TURN)
    np.testing.assert_allclose(value, 16 / 3, rtol=0.15)


def seen_by(penalty, real, fake, turn):
    """What the penalty shows the critic."""
    seen = []

    def critic(x):
        jax.debug.callback(lambda v: seen.append(np.asarray(v)), x)
        return jnp.sum(x, axis=tuple(range(1, x.ndim)))

    penalty(critic, real, fake, turn)
    jax.effects_barrier()
    return seen


def epsilons(turn, n, shape=(2, 2, 3)):
    """What the penalty drew: the critic's input, with real = 1 and fake = 0, is epsilon itself."""
    return seen_by(gradient_penalty(1.0), jnp.ones((n, *shape)), jnp.zeros((n, *shape)), turn)[0]


def test_one_epsilon_for_each_example():
    drawn = epsilons(TURN, 8)
    np.testing.assert_array_equal(drawn, np.broadcast_to(drawn[:, :1, :1, :1], drawn.shape))
    assert len(np.unique(drawn[:, 0, 0, 0])) == 8
    assert ((drawn >= 0) & (drawn < 1)).all()


def test_epsilon_belongs_to_the_global_index():
    """Examples 4..7 of a batch over two devices draw what examples 4..7 draw on one device."""
    whole = epsilons(TURN, 8)
    half = epsilons(TURN._replace(examples=jnp.arange(4, 8, dtype=jnp.int32)), 4)
    np.testing.assert_array_equal(whole[4:], half)


def test_epsilon_belongs_to_the_turn():
    assert (epsilons(TURN, 8) != epsilons(TURN._replace(key=jax.random.key(8)), 8)).all()


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (r1(2.0), 12.0),
        (r2(2.0), 12.0),
        (gradient_penalty(1.0), (12**0.5 - 1) ** 2),
        (gradient_penalty(1.0, one_sided=True), (12**0.5 - 1) ** 2),
        (zero_centred(1.0), 12.0),
        (dragan(1.0), (12**0.5 - 1) ** 2),  # a peer's norm runs over the whole batch
    ],
    ids=["r1", "r2", "gradient_penalty", "one_sided", "zero_centred", "dragan"],
)
def test_the_norm_runs_over_all_axes_but_the_batch(penalty, expected):
    """D(x) = sum of x over [B, 2, 2, 3]: ||grad||^2 = 12 for each example; over other axes 3, 4, 2 or 5 * 12."""
    x = jax.random.normal(jax.random.key(0), (5, 2, 2, 3))
    value = penalty(lambda x: jnp.sum(x, axis=(1, 2, 3)), x, x, TURN)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_examples_are_averaged_after_their_norms():
    """Examples with gradients (3, 4) and (0, 0): mean of (4^2, 1^2), which is not what the mean gradient would give."""
    critic = lambda x: linear(x) * jnp.array([1.0, 0.0])  # noqa: E731
    np.testing.assert_allclose(gradient_penalty(1.0)(critic, REAL[:2], FAKE[:2], TURN), 8.5, rtol=1e-6)
    np.testing.assert_allclose(r1(2.0)(critic, REAL[:2], FAKE[:2], TURN), 12.5, rtol=1e-6)


def test_a_map_of_logits_counts_by_its_mean():
    """A PatchGAN map of four equal patches has the gradient of one of them."""
    patches = lambda x: jnp.tile(linear(x).reshape(-1, 1, 1), (1, 2, 2))  # noqa: E731
    np.testing.assert_allclose(gradient_penalty(10.0)(patches, REAL, FAKE, TURN), 160.0, rtol=1e-6)
    column = lambda x: linear(x).reshape(-1, 1)  # noqa: E731
    np.testing.assert_allclose(r1(10.0)(column, REAL, FAKE, TURN), 125.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (gradient_penalty(10.0), 10.0),
        (gradient_penalty(10.0, one_sided=True), 0.0),
        (zero_centred(10.0), 0.0),
        (dragan(10.0), 10.0),
        (jensen_shannon(10.0), 0.0),
        (r1(10.0), 0.0),
        (r2(10.0), 0.0),
    ],
    ids=["gradient_penalty", "one_sided", "zero_centred", "dragan", "jensen_shannon", "r1", "r2"],
)
def test_a_flat_critic_gives_no_nan(penalty, expected):
    """sqrt has an infinite slope at zero; the penalty's own gradient w.r.t. critic parameters must stay finite."""

    def cost(w):
        return penalty(lambda x: x @ w, REAL, FAKE, TURN)

    value, gradient = jax.value_and_grad(cost)(jnp.zeros(2))
    np.testing.assert_allclose(value, expected)
    chex.assert_tree_all_finite((value, gradient))
    chex.assert_tree_all_finite(jax.hessian(cost)(jnp.zeros(2)))


def test_penalty_gradients_by_hand():
    """d/dw gamma/2 |w|^2 = gamma w; d/dw weight (|w| - 1)^2 = 2 weight (|w| - 1) w/|w|."""
    w = jnp.array([3.0, 4.0])
    np.testing.assert_allclose(
        jax.grad(lambda w: r1(10.0)(lambda x: x @ w, REAL, FAKE, TURN))(w), [30.0, 40.0], rtol=1e-6
    )
    np.testing.assert_allclose(
        jax.grad(lambda w: gradient_penalty(10.0)(lambda x: x @ w, REAL, FAKE, TURN))(w), [48.0, 64.0], rtol=1e-6
    )


@pytest.mark.parametrize("factory", [gradient_penalty, dragan])
def test_negative_target_is_refused(factory):
    with pytest.raises(ValueError, match="target >= 0"):
        factory(1.0, target=-0.5)


def test_negative_scale_is_refused():
    with pytest.raises(ValueError, match="dragan needs scale >= 0"):
        dragan(1.0, scale=-1.0)


def test_interpolates_need_equal_shapes():
    with pytest.raises(ValueError, match="shapes must agree"):
        gradient_penalty(1.0)(linear, REAL, FAKE[:1], TURN)


@pytest.mark.parametrize(
    ("penalty", "steep", "shallow"),
    [
        (gradient_penalty(10.0, one_sided=True), 160.0, 0.0),  # norms 5 and 1/2
        (gradient_penalty(10.0), 160.0, 2.5),
        (zero_centred(10.0), 250.0, 2.5),  # no 1/2
        (dragan(10.0), 160.0, 2.5),
        (dragan(10.0, target=0.5), 202.5, 0.0),
    ],
)
def test_targets_and_sides(penalty, steep, shallow):
    np.testing.assert_allclose(penalty(linear, REAL, FAKE, TURN), steep, rtol=1e-6)
    np.testing.assert_allclose(penalty(lambda x: linear(x) / 10, REAL, FAKE, TURN), shallow, rtol=1e-5, atol=1e-9)


def test_zero_centred_looks_between_real_and_fake():
    real, fake = jnp.ones((256, 2, 2)), jnp.zeros((256, 2, 2))
    np.testing.assert_allclose(zero_centred(3.0)(quadratic, real, fake, TURN), 3 * 16 / 3, rtol=0.15)


def test_dragan_looks_beside_the_data():
    """At x + alpha * scale * std * u: std of the whole batch, one alpha for each example, u >= 0."""
    real = jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, (400, 2, 2, 3)), jnp.float32)
    moved = (seen_by(dragan(1.0), real, real, TURN)[0] - np.asarray(real)) / (0.5 * np.std(real))
    assert moved.min() > -1e-5
    assert moved.max() < 1
    np.testing.assert_allclose(moved.mean(), 0.25, atol=0.03)  # E alpha E u
    np.testing.assert_allclose(moved.reshape(400, -1).mean(1).var(), 1 / 48 + 1 / 36 / 12 * 0.75, atol=0.006)
    np.testing.assert_array_equal(seen_by(dragan(1.0, scale=0.0), real, real, TURN)[0], real)
    half = dragan(1.0), real[200:], real[200:], TURN._replace(examples=jnp.arange(200, 400, dtype=jnp.int32))
    draws = (seen_by(*half)[0] - np.asarray(real[200:])) / (0.5 * np.std(real[200:]))
    np.testing.assert_allclose(draws, moved[200:], atol=1e-5)


def test_jensen_shannon_by_its_formula():
    """Slopes of length 5 at logits phi: gamma/2 * 25 (mean (1 - D(x))^2 + mean D(G(z))^2)."""
    d = [1 / (1 + np.exp(-np.asarray(linear(x), float))) for x in (REAL, FAKE)]
    expected = 3.0 / 2 * 25 * (np.mean((1 - d[0]) ** 2) + np.mean(d[1] ** 2))
    np.testing.assert_allclose(jensen_shannon(3.0)(linear, REAL, FAKE, TURN), expected, rtol=1e-5)
    # a curved critic, whose weights and slopes go together; batches of different sizes
    d = [1 / (1 + np.exp(-np.sum(np.square(np.asarray(x, float)), 1))) for x in (REAL, FAKE[:2])]
    squares = [4 * np.sum(np.square(np.asarray(x, float)), 1) for x in (REAL, FAKE[:2])]
    expected = (np.mean((1 - d[0]) ** 2 * squares[0]) + np.mean(d[1] ** 2 * squares[1])) / 2
    np.testing.assert_allclose(jensen_shannon(1.0)(quadratic, REAL, FAKE[:2], TURN), expected, rtol=1e-5)


def test_jensen_shannon_is_a_quarter_of_both_gradient_penalties_where_nothing_is_known():
    critic = lambda x: linear(x) - jax.lax.stop_gradient(linear(x))  # noqa: E731  # logit 0, slope (3, 4)
    both = total(r1(2.0), r2(2.0))(critic, REAL, FAKE, TURN)
    np.testing.assert_allclose(jensen_shannon(2.0)(critic, REAL, FAKE, TURN), both / 4, rtol=1e-6)


def test_jensen_shannon_teaches_logits_as_well_as_slopes():
    """d/db of sigmoid(-(w x + b))^2 w^2 / 2 by hand: the weights D are differentiated too, as in the authors' code."""
    x, w, b = 0.7, 1.3, 0.2
    s = 1 / (1 + np.exp(w * x + b))
    cost = lambda b: jensen_shannon(1.0)(lambda x: x[:, 0] * w + b, jnp.full((1, 1), x), jnp.full((1, 1), -1e3), TURN)  # noqa: E731
    np.testing.assert_allclose(jax.grad(cost)(b), -s * s * (1 - s) * w**2, rtol=1e-5)


# Critics of several arrays


def paired(x):
    """A pair (x, z): gradient (3, 4) of x and 12 of z, so that the norm over both is 13."""
    return x[0] @ jnp.array([3.0, 4.0]) + 12 * x[1][:, 0]


PAIRS = [(REAL, REAL[:, :1]), (FAKE, FAKE[:, :1])]


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (gradient_penalty(10.0), 1440.0),  # 10 (13 - 1)^2
        (r1(2.0), 169.0),
        (r2(2.0), 169.0),
        (zero_centred(1.0), 169.0),
        (dragan(1.0), 144.0),
        (jensen_shannon(0.0), 0.0),
    ],
)
def test_the_norm_runs_over_all_arrays(penalty, expected):
    np.testing.assert_allclose(penalty(paired, *PAIRS, TURN), expected, rtol=1e-6)
    by_name = [dict(zip("xz", pair, strict=True)) for pair in PAIRS]
    named = penalty(lambda x: paired((x["x"], x["z"])), *by_name, TURN)
    np.testing.assert_allclose(named, expected, rtol=1e-6)


def test_one_interpolation_for_all_arrays_of_an_example():
    """Both parts of a pair are equal, so that they must stay equal wherever the critic is looked at."""
    places = []

    def critic(x):
        places.append(jax.tree.map(jax.lax.stop_gradient, x))
        return jnp.sum(x["a"] - x["b"], axis=1)

    real, fake = ({"a": x, "b": x} for x in (REAL, FAKE))
    with jax.disable_jit():
        gradient_penalty(1.0)(critic, real, fake, TURN)
    np.testing.assert_allclose(critic(places[-1]), 0.0, atol=1e-6)


def test_integers_have_no_gradient():
    tokens = jnp.arange(6).reshape(3, 2)
    with pytest.raises(ValueError, match=r"with respect to x, integers that have none; embed them first"):
        r1(1.0)(lambda x: jnp.sum(x, axis=1), tokens, tokens, TURN)
    pairs = [{"x": x, "words": tokens} for x in (REAL, FAKE)]
    with pytest.raises(ValueError, match=r"with respect to \['words'\], integers"):
        gradient_penalty(1.0)(lambda x: jnp.sum(x["x"], axis=1), *pairs, TURN)
    with pytest.raises(ValueError, match="shapes must agree"):
        gradient_penalty(1.0)(paired, PAIRS[0], (FAKE, FAKE), TURN)
