"""R3GAN's networks: blocks that start as the identity, grouped convolutions, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.r3gan import Block, Discriminator, Generator

Z, Y = jnp.zeros((3, 5)), jnp.zeros((3,), jnp.int32)


@pytest.mark.parametrize(
    ("size", "channels", "features", "classes"),
    [(4, 1, 4, 0), (28, 3, (8, 4, 2), 10), ((8, 20), 2, (4, 4), 10), (32, 5, 4, 0)],
)
def test_shapes(size, channels, features, classes):
    condition = (Y,) if classes else ()
    sides = (size, size) if isinstance(size, int) else size
    generator = Generator(channels, size, features, 1, group=2, classes=classes)
    images, variables = jax.eval_shape(generator.init_with_output, jax.random.key(0), Z, *condition)
    assert (images.shape, images.dtype) == ((3, *sides, channels), jnp.float32)
    assert set(variables) == {"params"}
    discriminator = Discriminator(size, features, 1, group=2, classes=classes)
    logits, variables = jax.eval_shape(discriminator.init_with_output, jax.random.key(0), images, *condition)
    assert (logits.shape, logits.dtype) == ((3,), jnp.float32)
    assert set(variables) == {"params"}


def test_a_fresh_block_is_the_identity():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    block = Block(2, 4, 8)
    variables = block.init(jax.random.key(1), x)
    np.testing.assert_array_equal(block.apply(variables, x), x)
    kernels = [variables["params"][f"Conv_{k}"]["kernel"] for k in range(3)]
    assert [kernel.shape for kernel in kernels] == [(1, 1, 8, 16), (3, 3, 4, 16), (1, 1, 16, 8)]
    assert not kernels[2].any()


def test_weights_are_drawn_by_fan_in_and_depth():
    gain, depth = np.sqrt(2 / 1.04), 8
    x = jnp.zeros((1, 4, 4, 256))
    params = Block(2, 16, depth).init(jax.random.key(0), x)["params"]
    np.testing.assert_allclose(np.std(params["Conv_0"]["kernel"]), gain * depth**-0.25 / np.sqrt(256), rtol=0.02)
    np.testing.assert_allclose(np.std(params["Conv_1"]["kernel"]), gain * depth**-0.25 / np.sqrt(9 * 16), rtol=0.02)
    generator = Generator(3, 4, 256, 1).init(jax.random.key(0), jnp.zeros((1, 64)))["params"]
    np.testing.assert_allclose(np.std(generator["latent"]["kernel"]), 1 / 8, rtol=0.03)
    np.testing.assert_allclose(np.std(generator["basis"]), 1.0, rtol=0.05)
    discriminator = Discriminator(4, 256, 1).init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)))["params"]
    np.testing.assert_allclose(np.std(discriminator["basis"]), 1 / 4, rtol=0.05)


def test_groups_do_not_mix():
    """The kernel of the grouped convolution sees its own features alone: a change of others leaves them."""
    block = Block(1, 2, 1)
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 4))
    params = block.init(jax.random.key(1), x)["params"]
    eye = jnp.eye(4).reshape(1, 1, 4, 4)
    params["Conv_0"]["kernel"], params["Conv_2"]["kernel"] = eye, eye
    change = x.at[..., 2:].add(1.0)
    moved = block.apply({"params": params}, change) - block.apply({"params": params}, x)
    np.testing.assert_array_equal(moved[..., :2], 0)
    assert (moved[..., 2:] != 1).any()


def test_a_fresh_discriminator_is_linear_without_its_blocks():
    """Blocks are the identity, so the logits are one linear function: D(x) + D(y) = D(x + y)."""
    network = Discriminator(8, 4, 1, group=2)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 1))
    variables = network.init(jax.random.key(1), x)
    a, b, c = (network.apply(variables, v) for v in (x, 2 * x[::-1], x + 2 * x[::-1]))
    np.testing.assert_allclose(a + b, c, atol=1e-5)
    assert (a != 0).all()


def test_labels_matter():
    z = jax.random.normal(jax.random.key(0), (3, 5))
    generator = Generator(1, 8, 4, 1, classes=3)
    variables = generator.init(jax.random.key(1), z, Y)
    images = [generator.apply(variables, z, Y + k) for k in (0, 1)]
    assert (images[0] != images[1]).any()
    discriminator = Discriminator(8, 4, 1, classes=3)
    variables = discriminator.init(jax.random.key(1), images[0], Y)
    assert (discriminator.apply(variables, images[0], Y) != discriminator.apply(variables, images[0], Y + 1)).all()


def test_one_step_of_its_game():
    networks = {"generator": Generator(1, 8, 4, 1, group=2), "discriminator": Discriminator(8, 4, 1, group=2)}
    penalty = jg.penalties.total(jg.penalties.r1(1.0), jg.penalties.r2(1.0))
    system = jg.systems.gan(
        loss=jg.losses.relativistic, penalty=penalty, prior=jg.priors.normal(5), optimizer=optax.sgd(0.1)
    )
    game = jg.game(networks, system)
    x = {"x": jnp.tanh(jax.random.normal(jax.random.key(0), (4, 8, 8, 1)))}
    state = game.init(jax.random.key(1), x)
    after, metrics = jax.jit(game.train_step)(state, x)
    assert all(np.isfinite(value) for value in metrics.values())
    for name in networks:
        changed = jax.tree.map(lambda a, b: bool((a != b).any()), state.params[name], after.params[name])
        assert any(jax.tree.leaves(changed))


def test_bfloat16_inside_float32_outside():
    for network, x in ((Generator(1, 8, 4, 1), Z), (Discriminator(8, 4, 1), jnp.ones((3, 8, 8, 1)))):
        narrow = network.clone(dtype=jnp.bfloat16)
        y, variables = narrow.init_with_output(jax.random.key(0), x + 0.5)
        assert y.dtype == jnp.float32
        assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
        wide = network.apply(variables, x + 0.5)
        np.testing.assert_allclose(y, wide, atol=0.05 * np.abs(wide).max())
        assert (y != wide).any()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Generator(1, 30, 4).init(jax.random.key(0), Z), "nearest square sizes are 28 and 32"),
        (lambda: Generator(1, 8, (4, 4, 4)).init(jax.random.key(0), Z), r"has 2 maps.*are for 3"),
        (lambda: Generator(1, 8, 9, group=4).init(jax.random.key(0), Z), "does not split into groups of 4"),
        (lambda: Generator(1, 8, 4).init(jax.random.key(0), Z, Y), "has classes=0"),
        (lambda: Generator(1, 8, 4, classes=3).init(jax.random.key(0), Z), "called without labels"),
        (lambda: Generator(1, 8, 4).init(jax.random.key(0), Z[0]), r"latents \[B, Z\]"),
        (
            lambda: Discriminator(8, 4).init(jax.random.key(0), jnp.ones((2, 16, 16, 1))),
            r"takes images \[B, 8, 8, C\]",
        ),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()
