"""Sampling does not know its chunks; paths between latents; pictures."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

import jaxgan as jg
from jaxgan.sample import save_each, save_grid, spherical


def make(classes=0, **settings):
    """A game whose parameters and averages differ, and its state."""
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (8,), classes),
        "discriminator": jg.networks.mlp.Discriminator((8,), classes),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
    game = jg.game(networks, system, ema={"generator": 0.9})
    batch = {"x": jnp.ones((4, 2))} | ({"y": jnp.zeros(4, jnp.int32)} if classes else {})
    state = jax.jit(game.init)(jax.random.key(0), batch)
    moved = jax.tree.map(lambda p: p + 1, state.params["generator"])
    return game, state._replace(params=state.params | {"generator": moved})


@pytest.fixture(scope="module")
def plain():
    return make()


@pytest.fixture(scope="module")
def labelled():
    return make(classes=3)


def test_chunks_do_not_show(plain, key):
    whole = jg.sample(*plain, key, n=10, chunk=10)
    chex.assert_shape(whole, (10, 2))
    np.testing.assert_allclose(jg.sample(*plain, key, n=10, chunk=3), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jg.sample(*plain, key, n=10), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jg.sample(*plain, key, n=4), whole[:4], rtol=1e-5, atol=1e-6)
    assert len(np.unique(np.asarray(whole), axis=0)) == 10
    assert (whole != jg.sample(*plain, jax.random.key(1), n=10)).any()


def test_samples_come_from_the_prior_and_the_average(plain, key):
    game, state = plain
    z = jg.priors.normal(3)(key, 5)
    expected = jg.networks.mlp.Generator((2,), (8,)).apply({"params": state.ema["generator"]}, z)
    np.testing.assert_allclose(jg.sample(game, state, key, n=5), expected, rtol=1e-5, atol=1e-6)


def test_labels(labelled, key):
    of_one = jg.sample(*labelled, key, n=5, y=2)
    np.testing.assert_array_equal(of_one, jg.sample(*labelled, key, n=5, y=[2] * 5))
    y = np.array([2, 0, 2, 1, 1])
    mixed = jg.sample(*labelled, key, n=5, y=y, chunk=2)
    np.testing.assert_allclose(mixed, jg.sample(*labelled, key, n=5, y=y), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed[0], of_one[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed[2], of_one[2], rtol=1e-5, atol=1e-6)
    assert (np.asarray(mixed[1]) != np.asarray(of_one[1])).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "n >= 1"),
        ({"n": 1, "chunk": 0}, "chunk >= 1"),
        ({"n": 3, "y": [0, 1]}, r"conditions for n=3, .* got shape \(2,\)"),
    ],
)
def test_sample_errors(plain, key, settings, message):
    with pytest.raises(ValueError, match=message):
        jg.sample(*plain, key, **settings)


def test_vectors_are_asked_for_too(labelled, key):
    game, state = labelled
    y = np.eye(3, dtype=np.float32)[[2, 0, 1, 1, 0]]
    by_label = jg.sample(game, state, key, n=5, y=y.argmax(axis=1))
    np.testing.assert_allclose(jg.sample(game, state, key, n=5, y=y, chunk=2), by_label, rtol=1e-5, atol=1e-6)
    halves = jg.sample(game, state, key, n=5, y=(y + y[::-1]) / 2)
    assert (np.asarray(halves[0]) != np.asarray(by_label[0])).any()
    path = jg.interpolate(game, state, key, jnp.ones((5, 3)), -jnp.ones((5, 3)), steps=2, y=y)
    labels = jg.interpolate(game, state, key, jnp.ones((5, 3)), -jnp.ones((5, 3)), steps=2, y=y.argmax(axis=1))
    np.testing.assert_allclose(path, labels, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("y", [3, -1, [0, 3]])
def test_labels_that_no_network_has_are_refused(labelled, key, y):
    with pytest.raises(ValueError, match=r"y holds label (3|-1), but network '\w+' has 3 classes, 0..2"):
        jg.sample(*labelled, key, n=2, y=y)


def test_latents_of_another_width_are_refused(plain, key):
    with pytest.raises(
        ValueError, match=r"Generator is called with shapes \(2, 5\).*latents are as wide as the prior's"
    ):
        plain[0].generate(plain[1], key, {"z": jnp.zeros((2, 5))})


# Paths


@pytest.fixture(scope="module")
def identity():
    """A generator that shows its latents."""
    from types import SimpleNamespace

    networks = {
        "generator": SimpleNamespace(init=lambda key, z: {"params": {}}, apply=lambda v, z: z),
        "discriminator": jg.networks.mlp.Discriminator((8,)),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(4), optimizer=optax.sgd(0.1))
    game = jg.game(networks, system)
    return game, game.init(jax.random.key(0), {"x": jnp.ones((4, 4))})


START = jnp.array([[2.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [1.0, 2.0, 3.0, 4.0]])
END = jnp.array([[0.0, 0.0, 4.0, 0.0], [1.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 0.5, 2.0]])


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_paths_begin_and_end_at_their_latents(plain, key, path):
    game, state = plain
    start, end = START[:, :3], END[:, :3]
    samples = jg.interpolate(game, state, key, start, end, steps=5, path=path)
    chex.assert_shape(samples, (3, 5, 2))
    np.testing.assert_allclose(samples[:, 0], game.generate(state, key, {"z": start}), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(samples[:, -1], game.generate(state, key, {"z": end}), rtol=1e-4, atol=1e-5)


def test_a_linear_path(identity, key):
    z = jg.interpolate(*identity, key, START, END, steps=5, path="linear")
    np.testing.assert_allclose(z[:, 2], (START + END) / 2, rtol=1e-6)
    np.testing.assert_allclose(z[0, 1], [1.5, 0, 1, 0], rtol=1e-6)


def test_a_spherical_path_has_even_angles_and_even_norms(identity, key):
    z = np.asarray(jg.interpolate(*identity, key, START, END, steps=5))
    norms = np.linalg.norm(z, axis=-1)
    np.testing.assert_allclose(norms, np.linspace(norms[:, 0], norms[:, -1], 5, axis=1), rtol=1e-5)
    unit = z / norms[..., None]
    angles = np.arccos(np.clip(np.sum(unit[:, :-1] * unit[:, 1:], axis=-1), -1, 1))
    np.testing.assert_allclose(angles, angles[:, :1] * np.ones((1, 4)), rtol=1e-3)
    np.testing.assert_allclose(z[0, 2], [3 / 2**0.5, 0, 3 / 2**0.5, 0], atol=1e-5)  # norm 3 at 45 degrees


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_spherical_path_between_equal_directions_is_a_line(identity, key, scale):
    z = jg.interpolate(*identity, key, START, scale * START, steps=3)
    np.testing.assert_allclose(z[:, 1], (1 + scale) / 2 * START, rtol=1e-5, atol=1e-6)


def test_a_spherical_path_from_the_origin_is_finite(identity, key):
    """The mean latent is a common end; its direction is undefined."""
    chex.assert_tree_all_finite(jg.interpolate(*identity, key, jnp.zeros_like(END), END, steps=3))


def test_labels_along_a_path(labelled, key):
    game, state = labelled
    start, end = START[:, :3], END[:, :3]
    samples = jg.interpolate(game, state, key, start, end, steps=2, y=[0, 1, 2])
    expected = game.generate(state, key, {"z": start, "y": jnp.array([0, 1, 2], jnp.int32)})
    np.testing.assert_allclose(samples[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("start", "settings", "message"),
    [
        (START, {"steps": 1}, "steps >= 2"),
        (START, {"path": "cubic"}, "path='cubic'"),
        (START[:2], {}, "latents .* of one shape"),
    ],
)
def test_interpolate_errors(identity, key, start, settings, message):
    with pytest.raises(ValueError, match=message):
        jg.interpolate(*identity, key, start, END, **settings)


# Pictures


def test_grid_by_hand():
    """Three images of 2 x 1 pixels in two columns: rows are filled first, the missing cell is black."""
    images = np.array([[-1.0, 1.0], [0.0, 0.2], [5.0, -5.0]], np.float32).reshape(3, 2, 1, 1)
    np.testing.assert_array_equal(jg.grid(images, columns=2)[..., 0], [[0, 128], [255, 153], [255, 0], [0, 0]])


def test_grid_shapes():
    assert jg.grid(jnp.zeros((10, 4, 5, 3))).shape == (12, 20, 3)  # 4 columns, 3 rows
    assert jg.grid(np.zeros((10, 4, 5, 1)), columns=10).shape == (4, 50, 1)
    assert jg.grid(np.zeros((1, 4, 5, 1)), columns=3).shape == (4, 15, 1)
    assert jg.grid(np.zeros((2, 4, 5, 1))).dtype == np.uint8


def test_grid_undoes_the_pixel_scaling():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(jg.grid(jg.data.from_uint8(pixels)), pixels[0])


@pytest.mark.parametrize(
    ("shape", "columns"), [((4, 5, 1), None), ((2, 4, 5, 2), None), ((2, 4, 5, 1), 0), ((0, 4, 5, 1), None)]
)
def test_grid_errors(shape, columns):
    with pytest.raises(ValueError, match="grid takes images"):
        jg.grid(np.zeros(shape), columns)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_save_grid_is_a_picture(tmp_path, channels, mode):
    images = np.linspace(-1, 1, 2 * 3 * 3 * channels, dtype=np.float32).reshape(2, 3, 3, channels)
    path = save_grid(tmp_path / "new folder" / "grid.png", images, columns=2, scale=3)
    with Image.open(path) as picture:
        assert (picture.size, picture.mode) == ((18, 9), mode)
        pixels = np.asarray(picture).reshape(9, 18, channels)
    np.testing.assert_array_equal(pixels[1::3, 1::3], jg.grid(images, 2))


@pytest.mark.parametrize("angle", [0.0, 1e-6, 1e-4, 1e-2, 1.0, np.pi - 1e-2, np.pi - 1e-4, np.pi - 1e-6, np.pi])
def test_great_circles_keep_the_norm_at_any_angle(angle):
    """Both ends are met, the norm stays, and steps turn by equal angles, also towards the opposite direction."""
    z, other = jax.random.normal(jax.random.key(0), (2, 1, 64))
    across = other - jnp.sum(other * z) / jnp.sum(z * z) * z
    across = across / jnp.linalg.norm(across) * jnp.linalg.norm(z)
    end = np.cos(angle) * z + np.sin(angle) * across
    time = jnp.linspace(0.0, 1.0, 9).reshape(1, 9, 1)
    walk = np.asarray(spherical(z[:, None], end[:, None], time)[0])
    norm = float(jnp.linalg.norm(z))
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), norm, rtol=1e-5)
    np.testing.assert_allclose(walk[[0, -1]], np.concatenate([z, end]), atol=2e-3 * norm)
    chords = np.linalg.norm(np.diff(walk, axis=0), axis=1) / norm
    np.testing.assert_allclose(chords, 2 * np.sin(angle / 16), atol=2e-4)


# Other inputs than latents


def translator(asks=None, takes=None):
    """A game whose system turns images, and words where there are any, into others."""

    def generate(nets, key, inputs):
        words = inputs.get("words", jnp.zeros((len(inputs["x"]), 1), jnp.int32))
        return {"y": nets["net"](inputs["x"]), "words": words + inputs["index"][:, None]}

    def loss(nets, batch, turn):
        return jnp.mean(nets["net"](batch["x"])), {}

    player = jg.Player(("net",), loss, optax.sgd(0.1))
    game = jg.game({"net": nn.Dense(3)}, jg.System({"player": player}, None, generate, (), asks, takes))
    return game, game.init(jax.random.key(0), {"x": jnp.ones((4, 2))})


def test_a_translator_is_fed_from_the_host_in_chunks(key):
    """As many samples as inputs; the last chunk is filled up and cut off again; progress is told."""
    game, state = translator()
    x, words, made = np.arange(14.0).reshape(7, 2), np.arange(14).reshape(7, 2), []
    drawn = jg.sample(game, state, key, x=x, words=words, chunk=3, progress=lambda *done: made.append(done))
    assert made == [(3, 7), (6, 7), (7, 7)]
    expected = nn.Dense(3).apply({"params": state.params["net"]}, x.astype(np.float32))
    np.testing.assert_allclose(drawn["y"], expected, rtol=1e-5)
    np.testing.assert_array_equal(drawn["words"], words + np.arange(7)[:, None])
    assert jg.sample(game, state, key, n=7, x=x)["y"].shape == (7, 3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"n": 3}, r"asked with inputs \[\]; it needs \['x'\] and takes \['words'\] \('x': images; 'words': tokens\)"),
        ({"x": np.ones((3, 2)), "noise": 1}, r"asked with inputs \['noise', 'x'\]; it needs \['x'\] and takes"),
        ({}, "n >= 1, or inputs that say how many"),
        ({"n": 4, "x": np.ones((3, 2))}, r"conditions for n=4, a number or n of them; got shape \(3, 2\) of 'x'"),
    ],
)
def test_inputs_that_a_system_does_not_take(inputs, message, key):
    game, state = translator({"x": "images"}, {"words": "tokens"})
    with pytest.raises(ValueError, match=message):
        jg.sample(game, state, key, **inputs)


@pytest.mark.parametrize("y", [3, -1, 2**32 + 1, "cat", [0, 2**31]])
def test_every_way_to_ask_for_a_label_refuses_one_that_is_none(labelled, key, y):
    """Out of range JAX reads NaN or the last class, and beyond int32 NumPy another one."""
    game, state = labelled
    z = np.ones((2, 3), np.float32)
    for ask in (
        lambda: jg.sample(game, state, key, n=2, y=y),
        lambda: jg.interpolate(game, state, key, z, -z, steps=2, y=y),
        lambda: jg.metrics.standing_statistics(game, state, key, batches=1, batch_size=2, y=y),
    ):
        with pytest.raises(ValueError, match=r"holds label|which int32 does not|labels are integers from 0"):
            ask()


def test_labels_that_a_head_classifies_are_checked_too():
    """A loss looks the label's logit up: -1 is the last class to it, in silence."""
    heads = jg.networks.heads
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (4,)),
        "discriminator": heads.Headed(heads.FullyConnected((4,)), {"classes": heads.Classes(3)}),
    }
    game = jg.game(networks, jg.systems.semi_supervised(prior=jg.priors.normal(2), optimizer=optax.sgd(0.1)))
    for label in (-1, 3):
        batch = {"x": np.ones((4, 2), np.float32), "labelled": np.ones((4, 2), np.float32)}
        with pytest.raises(ValueError, match=f"label {label}, but network 'discriminator' has 3 classes"):
            game.init(jax.random.key(0), batch | {"y": np.full(4, label, np.int32)})


def test_opacity_is_a_fourth_channel_of_grids_and_pictures(tmp_path):
    images = np.stack([np.full((2, 3, 4), -1.0), np.full((2, 3, 4), 1.0), np.zeros((2, 3, 4))])
    rows = jg.grid(images, columns=2)
    assert rows.shape == (4, 6, 4)
    assert rows[0, 3:].min() == 255
    assert rows[2:, 3:].max() == 0  # no image: transparent
    with Image.open(save_grid(tmp_path / "a.png", images, columns=2)) as picture:
        assert (picture.mode, picture.size) == ("RGBA", (12, 8))


def test_each_picture_by_itself(tmp_path):
    images = np.linspace(-1.5, 1.5, 2 * 4 * 6).reshape(2, 4, 6, 1)
    paths = save_each(tmp_path / "new" / "folder", images, ["a", "b"])
    assert [path.name for path in paths] == ["a.png", "b.png"]
    read = np.stack([np.asarray(Image.open(path)) for path in paths])
    np.testing.assert_array_equal(read, np.round((np.clip(images[..., 0], -1, 1) + 1) * 127.5))
    for names, x in ((["a"], images), (["a", "a"], images), (["a", "b"], images[..., 0])):
        with pytest.raises(ValueError, match=r"as many names|single pictures are made of images"):
            save_each(tmp_path, x, names)
