"""Virtual batch normalisation: by hand, one example at a time, and on any number of devices."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.virtual import VirtualBatchNorm, WithReference
from jaxgan.parallel import data_parallel

# The layer


def by_hand(x, n, scale, bias):
    """The paper's words in NumPy, float64: mean and mean square of n reference examples and of one more."""
    x = np.asarray(x, np.float64)
    axes, rows = tuple(range(x.ndim - 1)), []
    mean, square = x[:n].mean(axes), (x[:n] ** 2).mean(axes)
    for i, example in enumerate(x):
        pixels = tuple(range(example.ndim - 1))
        joint, joint_square = mean, square
        if i >= n:
            joint = (n * mean + example.mean(pixels)) / (n + 1)
            joint_square = (n * square + (example**2).mean(pixels)) / (n + 1)
        rows.append((example - joint) / np.sqrt(joint_square - joint**2 + 1e-5) * scale + bias)
    return np.stack(rows)


@pytest.mark.parametrize("shape", [(7, 3), (7, 2, 4, 3)], ids=["points", "images"])
def test_virtual_batch_norm_by_hand(shape, key):
    x = 2 + 3 * jax.random.normal(key, shape)
    variables = VirtualBatchNorm(4).init(key, x)
    chex.assert_trees_all_equal(variables["params"], {"scale": jnp.ones(3), "bias": jnp.zeros(3)})
    scale, bias = np.array([1.0, 2.0, 3.0]), np.array([0.0, -1.0, 5.0])
    params = {"scale": jnp.array(scale, jnp.float32), "bias": jnp.array(bias, jnp.float32)}
    y = VirtualBatchNorm(4).apply({"params": params}, x)
    np.testing.assert_allclose(y, by_hand(x, 4, scale, bias), rtol=1e-4, atol=1e-5)


def test_the_reference_alone_is_batch_normalised(key):
    x = 2 + 3 * jax.random.normal(key, (7, 2, 2, 3))
    y = VirtualBatchNorm(4).init_with_output(key, x)[0]
    expected = nn.BatchNorm(use_running_average=False).init_with_output(key, x[:4])[0]
    np.testing.assert_allclose(y[:4], expected, rtol=1e-4, atol=1e-5)


def sum_of_outputs(key, x):
    return jnp.sum(VirtualBatchNorm(3).init_with_output(key, x)[0])


@pytest.mark.parametrize("far", [123.4, 999.7, 1000.1, 5000.3])
def test_a_far_and_flat_batch_has_finite_derivatives(far, key):
    """Mean square minus squared mean would be noise, below zero as well, where there is no spread."""
    x = jnp.full((5, 2, 2, 1), far)
    chex.assert_tree_all_finite(jax.jit(jax.value_and_grad(sum_of_outputs, argnums=1))(key, x))


def test_gradients_flow_through_the_reference(key):
    x = jax.random.normal(key, (5, 2, 2, 1))
    layer = VirtualBatchNorm(3)
    variables = layer.init(key, x)
    slope = jax.grad(lambda x: jnp.sum(jnp.square(layer.apply(variables, x)[3:])))(x)
    assert (slope[:3] != 0).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_virtual_batch_norm(dtype, key):
    """The mean is thirty times the spread, so that a mean of the dtype's digits would be seen."""
    x = 3000 + 100 * jax.random.normal(key, (7, 2, 2, 3))
    variables = VirtualBatchNorm(4, dtype=dtype).init(key, x)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    y = VirtualBatchNorm(4, dtype=dtype).apply(variables, x.astype(dtype))
    assert y.dtype == VirtualBatchNorm(4).apply(variables, x.astype(dtype)).dtype == dtype
    np.testing.assert_allclose(y, by_hand(x.astype(dtype), 4, 1, 0), atol=5 * float(jnp.finfo(dtype).eps))


@pytest.mark.parametrize("reference", [0, 5, 6])
def test_virtual_batch_norm_needs_more_than_its_reference(reference, key):
    with pytest.raises(ValueError, match=rf"reference={reference}\) takes \[reference \+ B, ..., C\]"):
        VirtualBatchNorm(reference).init(key, jnp.ones((5, 2)))


# Networks with a reference


class Critic(nn.Module):
    reference: int = 4

    @nn.compact
    def __call__(self, x):
        x = nn.leaky_relu(VirtualBatchNorm(self.reference)(nn.Dense(8)(x)), 0.2)
        return nn.Dense(1)(nn.leaky_relu(VirtualBatchNorm(self.reference)(nn.Dense(8)(x)), 0.2))[:, 0]


class Maker(nn.Module):
    """z [B, Z] and labels [B] -> points [B, 2], noisy where it trains."""

    reference: int = 4
    classes: int = 3

    @nn.compact
    def __call__(self, z, y, train):
        z = jnp.concatenate([z, nn.Embed(self.classes, 2)(y)], axis=-1)
        return nn.Dense(2)(nn.relu(VirtualBatchNorm(self.reference)(nn.Dense(8)(z)))) * (2.0 if train else 1.0)


class Mixing(nn.Module):
    """What the others are compared with: batch normalisation by the minibatch."""

    @nn.compact
    def __call__(self, x, train=True):
        x = nn.leaky_relu(nn.BatchNorm(not train)(nn.Dense(8)(x)), 0.2)
        return nn.Dense(1)(x)[:, 0]


def points(n, seed=0):
    return jax.random.normal(jax.random.key(seed), (n, 2))


def test_the_reference_is_the_first_of_the_initial_arguments(key):
    x = points(6)
    network = WithReference(Critic(4))
    logits, variables = network.init_with_output(key, x)
    chex.assert_trees_all_equal(variables["reference"], {"input_0": x[:4]})
    raw = Critic(4).apply({"params": variables["params"]["network"]}, jnp.concatenate([x[:4], x]))
    np.testing.assert_allclose(logits, raw[4:], rtol=1e-6)
    other = network.apply(variables, points(3, seed=1))  # later batches meet the same reference
    raw = Critic(4).apply({"params": variables["params"]["network"]}, jnp.concatenate([x[:4], points(3, seed=1)]))
    np.testing.assert_allclose(other, raw[4:], rtol=1e-6)


def test_an_output_does_not_depend_on_the_others(key):
    network, mixing, x = WithReference(Critic(4)), Mixing(), points(8)
    for net, independent in ((network, True), (mixing, False)):
        variables = net.init(key, x)
        apply = lambda x, net=net, v=variables: net.apply(v, x, train=True, mutable=list(v))[0]  # noqa: E731
        whole, turned = apply(x), apply(x[::-1])[::-1]
        replaced = apply(x.at[1:].set(100.0))
        alone = apply(x[:1])
        same = [np.allclose(whole, turned, atol=1e-6)] * independent
        same += [np.allclose(whole[:1], other[:1], atol=1e-6) for other in (replaced, alone)]
        assert same == ([True] * 3 if independent else [False] * 2)


def test_labels_and_train_reach_the_network_and_a_prior_draws_its_reference(key):
    z, y = jnp.zeros((6, 3)), jnp.arange(6) % 3
    network = WithReference(Maker(), prior=jg.priors.normal(3))
    variables = network.init(key, z, y, train=True)
    kept = variables["reference"]
    assert (kept["input_0"].shape, kept["input_1"].shape) == ((4, 3), (4,))
    assert len(np.unique(kept["input_0"])) == 12
    np.testing.assert_array_equal(kept["input_1"], y[:4])
    another = network.init(jax.random.key(1), z, y)["reference"]
    assert (another["input_0"] != kept["input_0"]).all()
    assert network.classes == 3
    assert WithReference(Critic()).classes == 0
    told = [network.apply(variables, z, y, train=train) for train in (True, False)]
    np.testing.assert_allclose(told[0], 2 * told[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("network", "inputs", "message"),
    [
        (WithReference(nn.Dense(1)), (points(6),), "Dense has None"),
        (WithReference(Critic(0)), (points(6),), "Critic has 0"),
        (WithReference(Critic(7)), (points(6),), "a reference batch of 7 is taken from the first batch, which has 6"),
    ],
)
def test_with_reference_refuses(network, inputs, message, key):
    with pytest.raises(ValueError, match=message):
        network.init(key, *inputs)


def test_with_reference_refuses_arguments_that_it_was_not_initialised_with(key):
    class Either(nn.Module):
        reference: int = 2

        @nn.compact
        def __call__(self, x, y=None):
            return VirtualBatchNorm(self.reference)(nn.Dense(2)(x))

    variables = WithReference(Either()).init(key, points(4))
    with pytest.raises(ValueError, match="not taken for 2 arguments"):
        WithReference(Either()).apply(variables, points(4), jnp.zeros((4,), jnp.int32))


# In a game


def game_of(discriminator, **settings):
    generator = WithReference(plain_maker(), prior=jg.priors.normal(3))
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(3),
        optimizer=optax.sgd(0.1),
        penalty=jg.penalties.r1(1.0),
    )
    return jg.game({"generator": generator, "discriminator": discriminator}, system, **settings)


def plain_maker():
    class Plain(nn.Module):
        reference: int = 4

        @nn.compact
        def __call__(self, z):
            return nn.Dense(2)(nn.relu(VirtualBatchNorm(self.reference)(nn.Dense(8)(z))))

    return Plain()


@pytest.mark.parametrize("independent", [True, False], ids=["virtual", "batch"])
def test_the_gradient_of_a_batch_is_the_mean_of_its_parts(independent, key):
    """Microbatches change the gradient only where examples see each other."""
    discriminator = WithReference(Critic(4)) if independent else Mixing()
    batch, params = {"x": points(8)}, []
    for microbatches in (1, 2):
        game = game_of(discriminator, microbatches=microbatches)
        state = game.init(key, batch)
        after, metrics = jax.jit(game.train_step)(state, batch)
        chex.assert_tree_all_finite(metrics)
        params.append(after.params["discriminator"])
        changed = jax.tree.map(lambda a, b: bool((a != b).any()), after.params, state.params)
        assert any(jax.tree.leaves(changed["discriminator"]))
        assert any(jax.tree.leaves(changed["generator"]))
        chex.assert_trees_all_equal(after.model_state["generator"], state.model_state["generator"])
        if independent:
            chex.assert_trees_all_equal(after.model_state["discriminator"], state.model_state["discriminator"])
    same = jax.tree.map(lambda a, b: np.allclose(a, b, atol=1e-6), *params)
    assert all(jax.tree.leaves(same)) == independent


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_eight_devices_are_one(mode, key):
    """Without an axis name in the networks: every device holds the reference."""
    one = game_of(WithReference(Critic(4)))
    many = data_parallel(game_of(WithReference(Critic(4)), axis_name="batch") if mode == "pmap" else one, mode)
    batch = {"x": np.asarray(points(16))}
    alone, together = one.init(key, batch), many.init(key, batch)
    step = jax.jit(one.train_step)
    for seed in range(3):
        batch = {"x": np.asarray(points(16, seed))}
        alone, metrics = step(alone, batch)
        together, mapped = many.train_step(together, batch)
    chex.assert_trees_all_close(jax.device_get(together.params), jax.device_get(alone.params), atol=1e-5)
    chex.assert_trees_all_close(jax.device_get(mapped), jax.device_get(metrics), atol=1e-5)
    chex.assert_trees_all_equal(jax.device_get(together.model_state), jax.device_get(alone.model_state))
    for leaf in jax.tree.leaves((together.params, together.model_state)):
        shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(shards) == 8
        assert all(np.array_equal(shards[0], shard) for shard in shards[1:])


def test_samples_do_not_depend_on_the_chunk_that_they_are_made_in(key):
    game = game_of(WithReference(Critic(4)))
    state = game.init(key, {"x": points(8)})
    z = jax.random.normal(key, (6, 3))
    whole = game.generate(state, key, {"z": z})
    np.testing.assert_allclose(game.generate(state, key, {"z": z[2:4]}), whole[2:4], atol=1e-6)
