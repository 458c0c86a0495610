"""Every network at every kind of size, of one channel and of three, with every kind of condition: traced, with a step.

What is added to the library is added to the matrix: `tests.registry` finds it by its names.
"""

import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from tests import registry
from tests.systems.tiny import TINY

B, LATENT, CLASSES = 4, 60, 3  # BigGAN cuts latents into 3, 4 or 5 parts of one width
FAMILIES = registry.families()
# At the first size every combination; at the others each number of channels and each conditioning, once.
CELLS = [
    pytest.param(family, size, channels, told, id=f"{family}-{size}-{channels}-{told}")
    for family in FAMILIES
    for size in registry.sizes(family)
    for channels, told in (
        *((1, "labels"), (3, "nothing")),
        *((1, "nothing"), (3, "labels"), (3, "vectors"))[: 3 if size == registry.sizes(family)[0] else 0],
    )
]


def example(size, channels, told):
    height, width = (size, size) if isinstance(size, int) else size
    x = np.random.default_rng(0).uniform(-1, 1, (B, height, width, channels)).astype(np.float32)
    labels = np.arange(B, dtype=np.int32) % CLASSES
    return {"x": x} | {"labels": {"y": labels}, "vectors": {"y": np.eye(CLASSES, dtype=np.float32)[labels]}}.get(
        told, {}
    )


def pair(family, size, channels, told):
    return registry.pair(family, size, channels, 0 if told == "nothing" else CLASSES)


def game(family, *cell):
    settings = {"prior": jg.priors.normal(LATENT), "optimizer": optax.adam(1e-3, b1=0.5)}
    if family == "unet":  # its two outputs have a game of their own
        system = jg.systems.unet_gan(**settings)
    else:
        system = jg.systems.gan(loss=jg.losses.non_saturating, **settings)
    return jg.game(pair(family, *cell), system, ema={"generator": 0.9})


def applied(network, key, *inputs):
    """Outputs in every mode that a network has, and its collections, before and after a call that trains."""
    modes = [{"train": t} for t in (True, False) if "train" in inspect.signature(type(network).__call__).parameters]
    streams = dict.fromkeys(("params", "global"), key)
    variables = network.init(streams, *inputs, **(modes or [{}])[0])
    state = [name for name in variables if name != "params"]
    outputs, updated = zip(
        *(network.apply(variables, *inputs, **mode, mutable=state, rngs=streams) for mode in modes or [{}]), strict=True
    )
    return outputs, {name: variables[name] for name in state}, updated


@pytest.mark.parametrize(("family", "size", "channels", "told"), CELLS)
def test_every_network_initialises_and_applies_in_every_mode(family, size, channels, told, key):
    networks, batch = pair(family, size, channels, told), example(size, channels, told)
    condition = (batch["y"],) if "y" in batch else ()
    for network, x, shape in (
        (networks["generator"], jnp.zeros((B, LATENT)), batch["x"].shape),
        (networks["discriminator"], batch["x"], (B,)),
    ):
        outputs, before, after = jax.eval_shape(lambda key, *a, n=network: applied(n, key, *a), key, x, *condition)
        for output in outputs:
            first = jax.tree.leaves(output)[0]  # of several, images come first
            assert first.dtype == jnp.float32
            assert first.shape == shape or (family == "patch" and first.shape[0] == B)
        for state in after:
            assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state) == jax.tree.map(
                lambda leaf: (leaf.shape, leaf.dtype), before
            )


@pytest.mark.parametrize("told", ["labels", "vectors"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_network_takes_a_train_step_and_makes_samples_with_conditions(family, told):
    """Traced; `tests/reliability/test_registries.py` takes steps of pairs without labels, and finds them finite."""
    cell = registry.sizes(family)[0], 3, told
    played, batch = game(family, *cell), example(*cell)
    before = jax.eval_shape(played.init, jax.random.key(0), batch)
    after, metrics = jax.eval_shape(played.train_step, before, batch)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), before
    )
    assert {name.split("/")[0] for name in metrics} == {"generator", "discriminator"}
    asked = {"index": jnp.arange(2, dtype=jnp.int32), "y": batch["y"][:2]}
    samples = jax.eval_shape(played.generate, after, jax.random.key(1), asked)
    assert (samples.shape, samples.dtype) == ((2, *batch["x"].shape[1:]), jnp.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_label_is_the_vector_with_a_one_at_its_place(family, key):
    size = registry.sizes(family)[0]
    networks, labels = pair(family, size, 1, "labels"), example(size, 1, "labels")
    vectors = example(size, 1, "vectors")
    z, few = jax.random.normal(key, (B, LATENT)), np.random.default_rng(0)
    streams = dict.fromkeys(("params", "global"), key)

    def drawn(path, leaf):
        """Values as of a trained network: where a condition enters by what starts at zero, it would not be heard."""
        name = jax.tree_util.keystr(path)
        if "var" in name:
            return jnp.asarray(few.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
        scale = 100 if "EqualizedDense" in name else 0.3  # StyleGAN2's mapping uses a hundredth of what it stores
        return jnp.asarray(few.normal(0, scale, leaf.shape), leaf.dtype)

    for network, x in ((networks["generator"], z), (networks["discriminator"], labels["x"])):
        shapes = jax.eval_shape(network.init, streams, x, labels["y"])  # without the compilation
        variables = jax.tree_util.tree_map_with_path(drawn, shapes)
        mode = {"train": False} if "train" in inspect.signature(type(network).__call__).parameters else {}
        apply = jax.jit(lambda y, n=network, v=variables, x=x, m=mode: n.apply(v, x, y, **m, rngs=streams))
        outputs = (jax.tree.leaves(apply(y)) for y in (labels["y"], vectors["y"], labels["y"][::-1]))
        for one, other, another in zip(*outputs, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4 * np.abs(one).max())
            assert np.abs(one - another).max() > 1e-3 * np.abs(one).max()


def kinds(network):
    """The kind of a network, and of those that it is made of."""
    yield type(network)
    for name, value in vars(network).items() if isinstance(network, nn.Module) else ():
        for each in value if isinstance(value, tuple) else (value,):
            if name != "parent" and isinstance(each, nn.Module):
                yield from kinds(each)


def test_no_network_is_left_out():
    """Those that are called otherwise, with a smaller image or a caption, are played by the systems they are for."""
    networks = [network for family in FAMILIES for network in registry.pair(family).values()]
    networks += [network for made in TINY.values() for network in made()[0].values()]
    played = {kind for network in networks for kind in kinds(network)}
    offered = {
        value
        for module in vars(jg.networks).values()
        if inspect.ismodule(module)
        for name, value in vars(module).items()
        if name.endswith(("Generator", "Discriminator")) and isinstance(value, type) and issubclass(value, nn.Module)
    }
    assert len(offered) > 10
    assert offered <= played
