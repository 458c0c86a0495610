"""SRGAN: one step by hand, who moves first, the phases, and the exact properties of enlarging."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.losses import content
from jaxgan.networks.layers import pixel_shuffle, pixel_unshuffle
from jaxgan.networks.superres import SRResNet
from jaxgan.parallel import member, stack, sweep
from jaxgan.penalties.weights import is_absent
from jaxgan.systems.srgan import srgan
from tests.systems.tiny_core import fixed

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (3, 4, 4, 1)).astype(np.float32)
LOW = X.reshape(3, 2, 2, 2, 2, 1).mean(axis=(2, 4))
BATCH = {"x": jnp.asarray(X), "low": jnp.asarray(LOW)}
RATE = 0.1


def copies(low):
    return jnp.repeat(jnp.repeat(low, 2, axis=1), 2, axis=2)


# G: copies of pixels times s plus g; D: w times the sum; two layers of features
GENERATOR = fixed(lambda p, low: p["s"] * copies(low) + p["g"], s=0.5, g=0.25)
DISCRIMINATOR = fixed(lambda p, x: p["w"] * jnp.sum(x, axis=(1, 2, 3)), w=0.3)
EYE = jg.networks.pretrained(
    fixed(lambda p, x: {"early": jnp.square(p["v"] * x), "late": 3.0 * x[:, :1]}, v=2.0),
    {"params": {"v": np.float32(2.0)}},
)


def game(**options):
    settings = {"loss": jg.losses.non_saturating, "optimizer": optax.sgd(RATE), "weight": 0.5, "content": 0.0}
    settings |= options
    networks = {"generator": GENERATOR}
    networks |= {"discriminator": DISCRIMINATOR} if not is_absent(settings["weight"]) else {}
    networks |= {"features": EYE} if settings["content"] else {}
    return jg.game(networks, srgan(**settings))


@pytest.mark.parametrize("distance", ["squared", "absolute"])
def test_one_step_by_hand(distance):
    """The discriminator moves first; under plain gradient descent every weight shows."""
    layers = {"early": 0.1, "late": 0.2}
    played = game(content=layers, pixel=0.7, distance=distance)
    state = jax.jit(played.init)(jax.random.key(0), BATCH)
    after, metrics = jax.jit(played.train_step)(state, BATCH)
    apart = {"squared": jnp.square, "absolute": jnp.abs}[distance]

    def losses(p):
        made = p["s"] * copies(LOW) + p["g"]
        real, fake = (p["w"] * jnp.sum(x, axis=(1, 2, 3)) for x in (X, made))
        pixel, early = jnp.mean(apart(made - X)), jnp.mean(apart(4 * made**2 - 4 * X**2))
        late = jnp.mean(apart(3 * (made - X)[:, :1]))
        discriminator = jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))
        features = 0.1 * early + 0.2 * late
        return discriminator, 0.7 * pixel + features + 0.5 * jnp.mean(jax.nn.softplus(-fake)), pixel, features

    p = jax.tree.map(jnp.float32, {"s": 0.5, "g": 0.25, "w": 0.3})
    for side, owned in enumerate((("w",), ("s", "g"))):
        value = losses(p)
        slope = jax.grad(lambda p, side=side: losses(p)[side])(p)
        p |= {name: p[name] - RATE * slope[name] for name in owned}
    chex.assert_trees_all_close(after.params["generator"], {n: p[n] for n in ("s", "g")}, rtol=1e-5)
    chex.assert_trees_all_close(after.params["discriminator"], {"w": p["w"]}, rtol=1e-5)
    figures = [metrics[f"generator/{name}"] for name in ("loss", "pixel", "content")]
    np.testing.assert_allclose(figures, value[1:], rtol=1e-5)
    assert after.params["features"]["v"] == 2.0


def test_the_first_phase_has_one_player_and_its_state_begins_the_second():
    first, second = game(weight=0.0), game(content={"early": 0.1})
    assert (set(first.system.players), first.system.frozen) == ({"generator"}, ())
    assert (set(second.system.players), second.system.frozen) == ({"discriminator", "generator"}, ("features",))
    state, metrics = first.train_step(first.init(jax.random.key(0), BATCH), BATCH)
    assert set(metrics) == {"generator/loss", "generator/pixel"}
    assert metrics["generator/loss"] == metrics["generator/pixel"]
    begun = jg.carried.carry(state, second, jax.random.key(1), BATCH)
    chex.assert_trees_all_equal(begun.state.params["generator"], state.params["generator"])
    small = second.generate(begun.state, jax.random.key(2), {"low": BATCH["low"]})
    chex.assert_trees_all_close(small, first.generate(state, jax.random.key(2), {"low": BATCH["low"]}))


def test_a_weight_is_swept_and_each_member_is_its_own_run():
    """One program for all weights: the number 0 has no discriminator, the swept 0 one that the generator ignores."""

    def of(weight):
        return game(weight=weight)

    runs = sweep(of, [0] * 3, {"weight": [0.1, 0.5, 2.0]}, mode="vmap")
    batch = stack([BATCH] * 3)
    states, metrics = runs.train_step(runs.init(batch), batch)
    for index, weight in enumerate((0.1, 0.5, 2.0)):
        alone, observed = jax.jit(of(weight).train_step)(of(weight).init(jax.random.key(0), BATCH), BATCH)
        chex.assert_trees_all_close(member(states, index).params, alone.params, rtol=1e-5)
        np.testing.assert_allclose(metrics["generator/loss"][index], observed["generator/loss"], rtol=1e-5)
    assert len({float(s) for s in states.params["generator"]["s"]}) == 3
    nothing, absent = game(weight=jnp.zeros(())), game(weight=0.0)
    ends = [g.train_step(g.init(jax.random.key(0), BATCH), BATCH)[0].params for g in (nothing, absent)]
    assert set(ends[0]) - set(ends[1]) == {"discriminator"}
    chex.assert_trees_all_close(ends[0]["generator"], ends[1]["generator"], rtol=1e-6)


def test_a_weight_may_follow_a_schedule():
    """At step 0 the weight is 0: the generator moves by pixels alone, and the discriminator learns."""
    played = game(weight=lambda step: 0.5 * step)
    state = played.init(jax.random.key(0), BATCH)
    after, metrics = played.train_step(state, BATCH)
    assert metrics["generator/loss"] == metrics["generator/pixel"]
    assert after.params["discriminator"]["w"] != state.params["discriminator"]["w"]
    _, metrics = played.train_step(after, BATCH)
    assert metrics["generator/loss"] > metrics["generator/pixel"]


def test_pixel_shuffle_by_hand_and_its_inverse():
    x = jnp.arange(8.0).reshape(1, 1, 2, 4)
    np.testing.assert_array_equal(pixel_shuffle(x)[0, :, :, 0], [[0, 1, 4, 5], [2, 3, 6, 7]])
    y = jnp.asarray(RNG.normal(size=(2, 3, 4, 18)), jnp.float32)
    for factor in (1, 3):
        shuffled = pixel_shuffle(y, factor)
        assert shuffled.shape == (2, 3 * factor, 4 * factor, 18 // factor**2)
        np.testing.assert_array_equal(pixel_unshuffle(shuffled, factor), y)
    z = jnp.asarray(RNG.normal(size=(2, 6, 4, 5)), jnp.float32)
    np.testing.assert_array_equal(pixel_shuffle(pixel_unshuffle(z, 2), 2), z)
    with pytest.raises(ValueError, match="by 2 takes channels that 4 divides; got"):
        pixel_shuffle(y[..., :6])
    with pytest.raises(ValueError, match="by 2 takes sides that it divides; got"):
        pixel_unshuffle(y)


def test_a_network_of_any_size_begins_as_bicubic_interpolation(key):
    network = SRResNet(4, 1, factor=4, normalization="none", outer=3, residual=True)
    x = jnp.asarray(RNG.uniform(-1, 1, (2, 3, 5, 2)), jnp.float32)
    y, _ = network.init_with_output(key, x)
    assert y.shape == (2, 12, 20, 2)
    bicubic = jax.image.resize(x, y.shape, "cubic")
    assert float(jnp.max(jnp.abs(y - bicubic))) < 0.05
    constant = jnp.full((1, 4, 4, 1), 0.5)
    alone = SRResNet(4, 0, factor=2, normalization="none", outer=1)
    assert float(jnp.max(jnp.abs(alone.init_with_output(key, constant)[0]))) < 0.05
    for settings, message in (({"factor": 3}, "a power of 2"), ({"outer": 4}, "kernels of odd sides; got outer=4")):
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(SRResNet(2, 1, **settings).init, key, x)


def test_shapes_of_the_published_network(key):
    """SRResNet for a factor of 4 has about 1.5 million parameters."""
    shapes = jax.eval_shape(SRResNet().init, key, jnp.zeros((1, 24, 24, 3)))["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 1_549_462
    outputs = jax.eval_shape(lambda key, x: SRResNet().init_with_output(key, x)[0], key, jnp.zeros((1, 24, 24, 3)))
    assert outputs.shape == (1, 96, 96, 3)


def test_pixels_are_judged_one_by_one():
    """Real-ESRGAN's form: a U-Net's map of logits, absolute distances."""
    network = jg.networks.unet.Pixels(jg.networks.unet.Discriminator(2, 2))
    networks = {"generator": GENERATOR, "discriminator": network}
    settings = {"loss": jg.losses.non_saturating, "optimizer": optax.sgd(RATE), "weight": 0.1, "content": 0.0}
    played = jg.game(networks, srgan(**settings, distance="absolute"))
    state = jax.eval_shape(played.init, jax.random.key(0), BATCH)
    assert jax.eval_shape(played.train_step, state, BATCH)[1]["discriminator/fake_logits"].shape == ()
    logits, _ = jax.eval_shape(network.init_with_output, jax.random.key(0), BATCH["x"])
    assert logits.shape == (3, 4, 4)


def test_content_refuses_what_does_not_fit():
    f = {"early": jnp.zeros((2, 3))}
    with pytest.raises(ValueError, match=r"weighs layers by name .*; got weights \{'late': 1.0\} of \['early'\]"):
        content(f, f, {"late": 1.0})
    with pytest.raises(ValueError, match=r"weighs layers by name .*; got weights 1.0 of \['early'\]"):
        content(f, f, 1.0)
    with pytest.raises(ValueError, match=r"got weights \{'late': 1.0\} of one array"):
        content(jnp.zeros(2), jnp.zeros(2), {"late": 1.0})
    with pytest.raises(ValueError, match=r"arrays of one shape; got \(2, 3\) and \(2, 2\)"):
        content(jnp.zeros((2, 3)), jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match="distance='cubed' is unknown"):
        content(f, f, {"early": 1.0}, "cubed")


@pytest.mark.parametrize("options", [{"weight": -1.0}, {"pixel": -0.5}, {"weight": 0.0, "pixel": 0.0}])
def test_weights_out_of_range(options):
    with pytest.raises(ValueError, match="srgan needs weights >= 0, not all zero"):
        game(**options)


def test_batches_that_do_not_fit():
    with pytest.raises(ValueError, match=r"needs batch\['low'\], what they are enlarged from; the batch has \['x'\]"):
        game().init(jax.random.key(0), {"x": BATCH["x"]})
    with pytest.raises(ValueError, match=r"pictures \(3, 4, 4, 1\) from \(3, 4, 4, 1\) by 'generator'; it makes"):
        game().init(jax.random.key(0), {"x": BATCH["x"], "low": BATCH["x"]})
