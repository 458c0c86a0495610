"""StyleGAN2's networks and game: mixing, truncation, the tracked mean, path length."""

import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.stylegan2 import Discriminator, Generator, Mapping
from jaxgan.systems.stylegan2 import stylegan2

TINY = {"features": 2, "max_features": 4, "hidden": (6, 5)}
Z, Y = jnp.zeros((4, 3)), jnp.zeros((4,), jnp.int32)


@pytest.mark.parametrize("architecture", ["skip", "residual", "plain"])
@pytest.mark.parametrize(("size", "channels", "classes"), [(4, 1, 0), (28, 2, 10), ((16, 24), 5, 10)])
def test_shapes(size, channels, classes, architecture):
    condition = (Y,) if classes else ()
    generator = Generator(channels, size, classes=classes, architecture=architecture, **TINY)
    sides = (size, size) if isinstance(size, int) else size
    for train in (True, False):
        images, variables = jax.eval_shape(
            lambda key, train=train: generator.init_with_output(key, Z, *condition, train=train), jax.random.key(0)
        )
        assert (images.shape, images.dtype) == ((4, *sides, channels), jnp.float32)
        assert set(variables) == {"params", "average", "path", "noise"}
    discriminator = Discriminator(size, 2, 4, classes, architecture, mapping_layers=2)
    logits = jax.eval_shape(discriminator.init_with_output, jax.random.key(0), images, *condition)[0]
    assert (logits.shape, logits.dtype) == ((4,), jnp.float32)


def test_truncation_may_end_at_a_layer():
    """Towards a mean of 0 half the way: the first two of four layers get w / 2, the others w."""
    generator, variables, z = made(truncation=0.5, truncation_cutoff=2)
    styles = generator.apply(variables, z, train=False, method="mapping")
    w = Generator(1, 8, **TINY).apply(variables, z, train=False, method="mapping")
    np.testing.assert_allclose(styles[:, :2], w[:, :2] / 2, rtol=1e-6)
    np.testing.assert_array_equal(styles[:, 2:], w[:, 2:])


@functools.cache
def started():
    """Variables and latents of a tiny generator, whatever its settings: none of those below changes how it starts."""
    z = jax.random.normal(jax.random.key(1), (4, 3))
    return jax.jit(Generator(1, 8, **TINY).init)(jax.random.key(0), z), z


def made(**settings):
    return Generator(1, 8, **TINY, **settings), *started()


def test_labels_and_channels_matter():
    generator, z = Generator(1, 8, classes=3, **TINY), jax.random.normal(jax.random.key(1), (4, 3))
    variables = jax.jit(generator.init)(jax.random.key(0), z, Y)
    generate = jax.jit(lambda y: generator.apply(variables, z, y, train=False))
    images = [generate(Y + k) for k in (0, 1)]
    assert (images[0] != images[1]).any()
    discriminator = Discriminator(8, 2, 4, classes=3, mapping_layers=1)
    variables = jax.jit(discriminator.init)(jax.random.key(0), images[0], Y)
    judge = jax.jit(lambda y: discriminator.apply(variables, images[0], y))
    logits = [judge(Y + k) for k in (0, 1)]
    assert (logits[0] != logits[1]).all()


def test_images_of_all_resolutions_are_summed():
    """A shade that the coarsest level draws is in the whole image; without skips one level draws alone."""
    generator, variables, z = made()
    shaded = jax.tree.map(lambda p: p, variables)
    shaded["params"]["draw"]["ToImage_0"]["bias"] += 0.5
    draw = jax.jit(lambda v: generator.apply(v, z, train=False))
    difference = draw(shaded) - draw(variables)
    np.testing.assert_allclose(difference[:, 2:-2, 2:-2], 0.5, atol=1e-5)  # beyond the filter's margin
    for architecture, drawing in (("skip", 2), ("residual", 1), ("plain", 1)):
        other = Generator(1, 8, architecture=architecture, **TINY)
        params = jax.eval_shape(other.init, jax.random.key(0), z)["params"]["draw"]
        assert len([name for name in params if name.startswith("ToImage")]) == drawing


def test_a_discriminator_with_skips_sees_the_image_at_every_resolution():
    """Blind to its full size, it still sees it halved; without skips it then sees nothing."""
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))
    for architecture, sees in (("skip", True), ("residual", False)):
        network = Discriminator(8, 2, 4, architecture=architecture, group=0)
        variables = jax.jit(network.init)(jax.random.key(0), x)
        first = next(name for name, layer in variables["params"].items() if layer["kernel"].shape == (1, 1, 1, 2))
        variables["params"][first]["kernel"] *= 0
        logits = jax.jit(network.apply)(variables, x)
        assert (abs(float(logits[0] - logits[1])) > 1e-4) == sees


def test_only_the_direction_of_a_latent_counts():
    network = Mapping((6, 5))
    variables = network.init(jax.random.key(0), Z)
    z = jax.random.normal(jax.random.key(1), (4, 3))
    w = network.apply(variables, z)
    np.testing.assert_allclose(w, network.apply(variables, 7 * z), rtol=1e-4, atol=1e-6)
    assert (w[0] != w[1]).any()


def test_bfloat16_inside_float32_outside():
    generator = Generator(1, 8, dtype=jnp.bfloat16, **TINY)
    images, variables = jax.jit(generator.init_with_output)(jax.random.key(0), Z)
    assert images.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    narrow, wide = jax.jit(lambda v: [net.apply(v, Z, train=False) for net in (generator, Generator(1, 8, **TINY))])(
        variables
    )
    np.testing.assert_allclose(narrow, wide, atol=0.05 * np.abs(wide).max())


# Styles


def styles(generator, variables, z, train, key=None):
    def mapped(variables, z, key):
        call = {"rngs": {"global": key}, "mutable": ["average"]} if train else {"mutable": []}
        return generator.apply(variables, z, train=train, method="mapping", **call)

    out = jax.jit(mapped)(variables, z, key)
    return out[0], out[1].get("average")


def test_half_of_a_mixed_image_is_of_another_latent():
    generator, variables, z = made(mixing=1.0)
    plain = styles(generator, variables, z, train=False)[0]
    assert (plain == plain[:, :1]).all()
    wide = jnp.tile(z, (64, 1))
    mixed = np.asarray(styles(generator, variables, wide, True, jax.random.key(2))[0])
    original = np.isclose(mixed, np.tile(plain, (64, 1, 1)), atol=1e-5).all(axis=-1)
    assert original[:, 0].all()  # the first layer keeps its latent
    assert not original[:, -1].any()  # the last never does
    crossings = original.sum(axis=1)
    assert set(crossings) == {1, 2, 3}  # and every layer between is met, of four
    for row, cross in zip(original, crossings, strict=True):
        assert row[:cross].all()
    others = mixed[:, -1]
    assert len(np.unique(others.round(6), axis=0)) == len(others)  # each image has its own partner


def test_mixing_happens_as_often_as_it_says():
    generator, variables, z = made(mixing=0.25)
    plain = styles(generator, variables, z, train=False)[0]
    mixed = styles(generator, variables, jnp.tile(z, (400, 1)), True, jax.random.key(3))[0]
    share = np.mean(~np.isclose(mixed, np.tile(plain, (400, 1, 1)), atol=1e-5).all(axis=(1, 2)))
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1600)


def test_the_mean_style_is_tracked_in_training_alone():
    generator, variables, z = made(decay=0.75, mixing=1.0)
    w = styles(generator, variables, z, train=False)[0][:, 0]
    tracked = styles(generator, variables, z, True, jax.random.key(2))[1]["w"]
    np.testing.assert_allclose(tracked, 0.25 * np.mean(w, axis=0), rtol=1e-4, atol=1e-7)


def test_truncation_draws_samples_to_the_mean():
    generator, variables, z = made()
    mean = jnp.arange(5.0)
    variables = variables | {"average": {"w": mean}}
    w = styles(generator, variables, z, train=False)[0]
    near = styles(generator.clone(truncation=0.3), variables, z, train=False)[0]
    np.testing.assert_allclose(near, mean.reshape(1, 1, 5) + 0.3 * (w - mean.reshape(1, 1, 5)), rtol=1e-5, atol=1e-6)
    alone = generator.clone(truncation=0.0).apply(variables, z, train=False)
    np.testing.assert_allclose(alone, jnp.broadcast_to(alone[:1], alone.shape), atol=1e-6)
    trained = styles(generator.clone(truncation=0.3, mixing=0.0), variables, z, True, jax.random.key(2))[0]
    np.testing.assert_allclose(trained, w, atol=1e-6)  # training knows no truncation


def test_samples_are_a_function_of_their_latent():
    generator, variables, z = made()
    params = jax.tree.map(lambda p: p + 0.5 if p.ndim == 0 else p, variables["params"])  # noise that is heard
    variables = variables | {"params": params}
    generate = jax.jit(lambda z: generator.apply(variables, z, train=False))
    np.testing.assert_allclose(generate(z[:1]), generate(z)[:1], atol=1e-5)
    train = jax.jit(lambda key: generator.apply(variables, z, mutable=["average"], rngs={"global": key})[0])
    noisy = [train(jax.random.key(k)) for k in range(2)]
    assert (noisy[0] != noisy[1]).any()
    assert jax.eval_shape(generator.clone(noise=False).init, jax.random.key(0), z).keys() == {
        "params",
        "average",
        "path",
    }


def test_the_discriminator_sees_how_varied_a_batch_is():
    x = jax.random.normal(jax.random.key(0), (4, 8, 8, 1))
    same = jnp.broadcast_to(x[:1], x.shape)
    for group, alone in ((4, False), (0, True)):
        network = Discriminator(8, 2, 4, group=group)
        variables = jax.jit(network.init)(jax.random.key(1), x)
        judge = jax.jit(network.apply)
        first = judge(variables, x)[0], judge(variables, same)[0]
        assert np.isclose(*first, atol=1e-6) == alone


# The game


def game(rate=1e-2, **settings):
    networks = {"generator": Generator(1, 4, 2, hidden=(5,), noise=False), "discriminator": Discriminator(4, 2)}
    system = stylegan2(prior=jg.priors.normal(3), optimizer=optax.sgd(rate), **settings)
    return jg.game(networks, system, ema={"generator": 0.9})


def batch(n=4):
    return {"x": jax.random.normal(jax.random.key(5), (n, 4, 4, 1))}


def test_path_length_is_paid_once_in_a_while_and_its_mean_kept():
    played = game(path_every=2, path_decay=0.5, path_shrink=2)
    state = jax.jit(played.init)(jax.random.key(0), batch())
    step, means, paid = jax.jit(played.train_step), [0.0], []
    for _ in range(4):
        state, metrics = step(state, batch())
        means.append(float(state.model_state["generator"]["path"]["mean"]))
        paid.append(float(metrics["generator/path_penalty"]))
        assert float(metrics["generator/path_length"]) == means[-1]
    assert means[1] > 0
    assert means[1] == means[2] != means[3]
    assert means[3] == means[4]
    assert paid[0] > 0
    assert paid[1] == paid[3] == 0
    assert jg.sample(played, state, jax.random.key(1), n=3).shape == (3, 4, 4, 1)


def test_path_length_moves_the_generator_by_k_times_its_weight():
    """With SGD the change of parameters is linear in the weight, and in the period at a step that pays."""
    found = {}
    state = jax.jit(game().init)(jax.random.key(0), batch())
    for weight, every in ((0.0, 1), (1.0, 1), (1.0, 4)):
        played = game(rate=1.0, path_weight=weight, path_every=every)
        after, _ = jax.jit(played.train_step)(state, batch())
        found[weight, every] = jax.flatten_util.ravel_pytree(after.params["generator"])[0]
        assert (after.params["discriminator"]["logits"]["kernel"] != 0).any()
    once = found[1.0, 1] - found[0.0, 1]
    np.testing.assert_allclose(found[1.0, 4] - found[0.0, 1], 4 * once, atol=2e-2 * np.abs(once).max())
    assert np.abs(once).max() > 0


def test_devices_do_not_change_the_latents_of_the_path():
    """Of 8 examples, path lengths are taken of 4 latents: the same 4 on one device and on four."""
    networks = {
        "generator": Generator(1, 4, 2, hidden=(5,), noise=False, mixing=0.0),
        "discriminator": Discriminator(4, 2, group=0),
    }
    system = stylegan2(prior=jg.priors.normal(3), optimizer=optax.sgd(1e-2), path_decay=1.0, path_every=1)
    single, mapped = (jg.game(networks, system, axis_name=axis) for axis in (None, "batch"))
    x = batch(8)
    state = jax.jit(single.init)(jax.random.key(0), x)
    _, expected = jax.jit(single.train_step)(state, x)
    step = jax.pmap(mapped.train_step, axis_name="batch", in_axes=(None, 0), out_axes=None)
    _, found = step(state, {"x": x["x"].reshape(4, 2, 4, 4, 1)})
    np.testing.assert_allclose(found["generator/path_length"], expected["generator/path_length"], rtol=1e-4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Generator(1, 30, **TINY).init(jax.random.key(0), Z), "nearest square sizes are 28 and 32"),
        (lambda: Generator(1, 8, **TINY).init(jax.random.key(0), Z, Y), "has classes=0"),
        (lambda: Generator(1, 8, classes=2, **TINY).init(jax.random.key(0), Z), "called without labels"),
        (lambda: Generator(1, 8, **TINY).init(jax.random.key(0), Z[0]), r"latents \[B, Z\]"),
        (lambda: Generator(1, 8, architecture="skp", **TINY).init(jax.random.key(0), Z), "'skp' is unknown"),
        (lambda: Discriminator(8).init(jax.random.key(0), jnp.ones((2, 16, 16, 1))), r"takes images \[B, 8, 8, C\]"),
        (lambda: game(path_weight=-1.0), "path_weight >= 0"),
        (lambda: game(path_every=0), "path_every >= 1"),
        (
            lambda: jax.eval_shape(
                game(path_shrink=3).train_step, jax.eval_shape(game().init, jax.random.key(0), batch()), batch()
            ),
            "does not divide the batch of 4",
        ),
        (
            lambda: made()[0].apply(started()[0], jnp.ones((2, 3, 5)), method="synthesis"),
            r"styles \[B, 4, 5\]; got shape \(2, 3, 5\)",
        ),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_path_length_needs_a_generator_of_styles():
    system = stylegan2(prior=jg.priors.normal(2), optimizer=optax.sgd(1e-2))
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (3,)),
        "discriminator": jg.networks.mlp.Discriminator((3,)),
    }
    played = jg.game(networks, system)
    x = {"x": jnp.zeros((4, 2))}
    with pytest.raises(ValueError, match=r"needs a networks\.stylegan2\.Generator"):
        jax.eval_shape(played.train_step, played.init(jax.random.key(0), x), x)
