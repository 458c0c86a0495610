"""Progressive growing: the fade starts where the smaller network ended, exactly, and parameters carry over."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.progressive import Discriminator, Generator, grow
from jaxgan.systems.progressive import fade_real, fading, grown
from jaxgan.types import Turn

Z, Y = jnp.zeros((4, 3)), jnp.zeros((4,), jnp.int32)


def widen(x):
    return np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)


def average(x):
    b, h, w, c = x.shape
    return np.asarray(x).reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def with_alpha(params, alpha):
    return {"params": params, "fade": {"alpha": jnp.asarray(alpha, jnp.float32)}}


def pair(network, *inputs):
    """Variables of the small network, and of the large one after growing."""
    small, large = (
        jax.jit(net.init)(jax.random.key(k), *x) for k, (net, x) in enumerate(zip(network, inputs, strict=True))
    )
    return small["params"], grow(small["params"], large["params"])


@pytest.mark.parametrize("size", [8, (12, 8)])
@pytest.mark.parametrize("labelled", [False, True])
def test_a_generator_starts_as_the_smaller_one(size, labelled):
    condition, classes = ((Y.at[0].set(2),), 3) if labelled else ((), 0)
    sides = (size, size) if isinstance(size, int) else size
    networks = [Generator(2, (k * sides[0], k * sides[1]), 8, flat=1, classes=classes) for k in (1, 2)]
    z = jax.random.normal(jax.random.key(3), (4, 3))
    small, large = pair(networks, (z, *condition), (z, *condition))
    before = jax.jit(networks[0].apply)(with_alpha(small, 1.0), z, *condition)
    assert before.shape == (4, *sides, 2)
    generate = jax.jit(networks[1].apply)
    start, middle, end = (generate(with_alpha(large, alpha), z, *condition) for alpha in (0.0, 0.25, 1.0))
    np.testing.assert_array_equal(start, widen(before))
    assert (end != start).any()
    np.testing.assert_allclose(middle, 0.75 * start + 0.25 * end, atol=1e-5)


@pytest.mark.parametrize("labelled", [False, True])
def test_a_discriminator_starts_as_the_smaller_one(labelled):
    condition, classes = ((Y.at[0].set(2),), 3) if labelled else ((), 0)
    networks = [Discriminator(size, 8, flat=1, classes=classes) for size in (8, 16)]
    x = jax.random.normal(jax.random.key(3), (4, 16, 16, 2))
    coarse = jnp.asarray(average(x))
    small, large = pair(networks, (coarse, *condition), (x, *condition))
    before = jax.jit(networks[0].apply)(with_alpha(small, 1.0), coarse, *condition)
    judge = jax.jit(networks[1].apply)
    start = judge(with_alpha(large, 0.0), x, *condition)
    np.testing.assert_allclose(start, before, rtol=1e-5, atol=1e-6)
    assert (judge(with_alpha(large, 0.5), x, *condition) != start).all()


def test_growing_keeps_what_is_shared_and_nothing_else():
    networks = [Generator(1, size, 8, flat=1) for size in (8, 16)]
    small, large = (jax.jit(net.init)(jax.random.key(k), Z)["params"] for k, net in enumerate(networks))
    result = grow(small, large)
    assert jax.tree.structure(result) == jax.tree.structure(large)
    for name in result:
        source = small if name in small else large
        np.testing.assert_array_equal(result[name]["kernel"], source[name]["kernel"])
    assert set(large) - set(small) == {"level_2_first", "level_2_second", "level_2_image"}
    assert set(small) - set(large) == {"level_0_image"}  # it has faded out


def test_widths_halve_beyond_the_flat_levels():
    params = jax.eval_shape(Generator(3, 64, 16, flat=2).init, jax.random.key(0), Z)["params"]
    widths = [params[f"level_{k}_second"]["kernel"].shape[-1] for k in range(1, 5)]
    assert widths == [16, 8, 4, 2]


# The game


def played(size, alpha):
    networks = {"generator": Generator(1, size, 4, flat=1), "discriminator": Discriminator(size, 4, flat=1)}
    system = fading(
        jg.systems.gan(
            loss=jg.losses.wasserstein,
            penalty=jg.penalties.gradient_penalty(10.0),
            prior=jg.priors.normal(3),
            optimizer=optax.adam(1e-3, b1=0.0, b2=0.99),
            augment=fade_real(alpha),
        ),
        alpha,
    )
    return jg.game(networks, system, ema={"generator": 0.9})


def batch(size):
    return {"x": jnp.tanh(jax.random.normal(jax.random.key(size), (4, size, size, 1)))}


def test_a_game_grows():
    alpha = optax.linear_schedule(0.0, 1.0, 4)
    small, large = played(4, alpha), played(8, alpha)
    state, step = jax.jit(small.init)(jax.random.key(0), batch(4)), jax.jit(small.train_step)
    for _ in range(2):
        state, _ = step(state, batch(4))
    after = grown(state, jax.jit(large.init)(jax.random.key(1), batch(8)))
    after = after._replace(model_state=jax.tree.map(jnp.zeros_like, after.model_state))
    first, second = (jg.sample(g, s, jax.random.key(2), n=3) for g, s in ((small, state), (large, after)))
    np.testing.assert_array_equal(second, widen(first))  # by averaged parameters, which carry over too
    assert int(after.step) == 0
    step = jax.jit(large.train_step)
    for expected in (0.0, 0.25, 0.5, 0.75, 1.0, 1.0):
        after, metrics = step(after, batch(8))
        assert {name: float(s["fade"]["alpha"]) for name, s in after.model_state.items()} == {
            "generator": expected,
            "discriminator": expected,
        }
        assert all(np.isfinite(value) for value in metrics.values())


def test_real_images_fade_too():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 1))
    augment = fade_real(lambda step: 0.1 * step)
    turn = Turn(jax.random.key(0), jnp.asarray(3))
    coarse = widen(average(x))
    np.testing.assert_allclose(augment(x, turn, "real"), 0.7 * coarse + 0.3 * x, atol=1e-6)
    np.testing.assert_array_equal(augment(x, turn, "fake"), x)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Generator(1, 9).init(jax.random.key(0), Z), "nearest square sizes are 8 and 10"),
        (lambda: Generator(1, 8, 4).init(jax.random.key(0), Z, Y), "has classes=0"),
        (lambda: Generator(1, 8, 4).init(jax.random.key(0), Z[0]), r"latents \[B, Z\]"),
        (lambda: Discriminator(8, 4).init(jax.random.key(0), jnp.ones((2, 4, 4, 1))), r"takes images \[B, 8, 8, C\]"),
        (lambda: grow({"a": jnp.ones(2)}, {"b": jnp.ones(2)}), "finds no parameter"),
        (lambda: grow({"a": jnp.ones(2)}, {"a": jnp.ones(3)}), "differ in size alone"),
        (
            lambda: grown(
                played(4, lambda step: 1.0).init(jax.random.key(0), batch(4)),
                played(4, lambda step: 1.0).init(jax.random.key(0), batch(4))._replace(params={}),
            ),
            "games of the same networks",
        ),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()
