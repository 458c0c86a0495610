"""Heads, codes, boxes and pyramids: against definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from jaxgan.networks import heads
from jaxgan.networks.laplacian import DetailDiscriminator, DetailGenerator
from jaxgan.networks.layers.pyramid import laplacian_pyramid, reconstruct
from jaxgan.networks.places import BoxDiscriminator, BoxGenerator, box_mask
from jaxgan.priors import codes, split_codes

X = jax.random.normal(jax.random.key(1), (5, 2))
Y = jnp.array([0, 2, 1, 1, 0], jnp.int32)


def key():
    return jax.random.key(0)


# Heads


def test_heads_see_the_bodys_features():
    network = heads.Headed(
        heads.FullyConnected((4,)),
        {"logits": heads.Logit(), "projected": heads.Projection(3), "classes": heads.Classes(3)},
    )
    assert network.classes == 3
    variables = network.init(key(), X, Y)
    out = network.apply(variables, X, Y)
    p = variables["params"]
    h = np.asarray(out["features"])
    assert h.shape == (5, 4)
    np.testing.assert_allclose(
        out["logits"], h @ p["heads_logits"]["logits"]["kernel"][:, 0] + p["heads_logits"]["logits"]["bias"], rtol=1e-5
    )
    np.testing.assert_allclose(out["classes"], h @ p["heads_classes"]["Dense_0"]["kernel"], rtol=1e-4, atol=1e-6)
    head = p["heads_projected"]
    projected = h @ head["logits"]["kernel"][:, 0] + np.sum(head["projection"]["embedding"][np.asarray(Y)] * h, axis=1)
    np.testing.assert_allclose(out["projected"], projected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"head 'projected' needs labels"):
        network.init(key(), X)
    with pytest.raises(ValueError, match="'features', which the body's output is called"):
        heads.Headed(heads.FullyConnected((4,)), {"features": heads.Logit()}).init(key(), X)


def test_heads_without_labels_have_no_classes_to_check():
    """A classifier's K is not a number of labels that it embeds: semi-supervised labels are another array's."""
    assert heads.Headed(heads.FullyConnected((4,)), {"classes": heads.Classes(3)}).classes == 0


def test_contrast_is_of_unit_length():
    network = heads.Headed(heads.FullyConnected((4,)), {"contrast": heads.Contrastive(3, 6)})
    found = network.apply(network.init(key(), X, Y), X, Y)["contrast"]
    for vectors in found:
        assert vectors.shape == (5, 6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.proxy[2], found.proxy[3])  # of one class
    assert (found.proxy[0] != found.proxy[1]).any()


def test_codes_are_read_in_their_shapes():
    network = heads.Headed(heads.FullyConnected((4,)), {"codes": heads.Codes((10, 3), 2, 8)})
    found = network.apply(network.init(key(), X), X)["codes"]
    assert [q.shape for q in found.categorical] == [(5, 10), (5, 3)]
    assert found.mean.shape == found.log_std.shape == (5, 2)
    fixed = heads.Codes((10, 3), 2, 8, fixed_std=True)
    variables = fixed.init(key(), X)
    assert len(variables["params"]) == 1 + 2 + 1  # hidden, categorical, mean
    np.testing.assert_array_equal(fixed.apply(variables, X).log_std, np.zeros((5, 2)))
    none = heads.Headed(heads.FullyConnected((4,)), {"codes": heads.Codes((10,))})
    assert none.apply(none.init(key(), X), X)["codes"].mean.shape == (5, 0)


def test_noise_is_for_training():
    network = heads.FullyConnected((4, 4), noise=0.5, input_noise=0.5)
    variables = network.init({"params": key(), "global": jax.random.key(2)}, X)
    still = network.apply(variables, X, train=False)
    np.testing.assert_array_equal(still, network.apply(variables, X, train=False))
    noisy = [network.apply(variables, X, rngs={"global": jax.random.key(k)}) for k in (3, 4)]
    assert (noisy[0] != noisy[1]).any()
    normed = heads.FullyConnected((4,), layer_norm=True, activation=lambda h: h)
    found = np.asarray(normed.apply(normed.init(key(), X), X))
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=1), 1, atol=1e-2)
    quiet = heads.FullyConnected((4, 4))
    np.testing.assert_array_equal(still, quiet.apply(variables, X))


def test_convolutional_bodies_take_any_side():
    body = heads.Convolutional(2, 2)
    x = jnp.ones((3, 12, 20, 4))
    assert body.apply(body.init(key(), x), x).shape == (3, 3, 5, 4)
    with pytest.raises(ValueError, match=r"multiples of 4, 4 or more.* got \(10, 20\).* 8 or 12 by 20"):
        body.init(key(), x[:, :10])
    spectral = heads.Convolutional(2, 2, "spectral")
    variables = spectral.init(key(), x)
    _, updated = spectral.apply(variables, x, mutable=["spectral"])
    assert jax.tree.structure(updated["spectral"]) == jax.tree.structure(variables["spectral"])


# Codes


def test_codes_and_their_parts():
    prior = codes(jg.priors.normal(3), (4, 2), 2)
    z = np.asarray(prior(key(), 4000))
    assert z.shape == (4000, 4 + 2 + 2 + 3)
    assert set(np.unique(z[:, :6])) == {0.0, 1.0}
    np.testing.assert_array_equal(z[:, :4].sum(axis=1), 1)
    np.testing.assert_array_equal(z[:, 4:6].sum(axis=1), 1)
    parts = split_codes(jnp.asarray(z), (4, 2), 2)
    np.testing.assert_array_equal(parts.categorical[0], z[:, :4].argmax(axis=1))
    np.testing.assert_array_equal(parts.categorical[1], z[:, 4:6].argmax(axis=1))
    np.testing.assert_array_equal(parts.continuous, z[:, 6:8])
    np.testing.assert_array_equal(parts.noise, z[:, 8:])
    # Uniform values, independent of each other: counts within four standard errors.
    counts = np.bincount(np.asarray(parts.categorical[0]) * 2 + np.asarray(parts.categorical[1]), minlength=8)
    assert np.all(np.abs(counts - 500) < 4 * np.sqrt(500 * 7 / 8))
    assert np.abs(z[:, 6:8]).max() <= 1
    assert np.abs(z[:, 6:8].var(axis=0) - 1 / 3).max() < 4 * np.sqrt(4 / 45 / 4000)
    assert abs(np.corrcoef(z[:, 6], z[:, 8])[0, 1]) < 4 / np.sqrt(4000)


def test_codes_belong_to_examples():
    prior = codes(jg.priors.normal(3), (4,), 1)
    whole = prior(key(), 6)
    np.testing.assert_array_equal(whole[4:], prior(key(), 2, jnp.array([4, 5])))
    with pytest.raises(ValueError, match=r"latents of shape \(2, 3\) do not hold codes \(4,\) and 1"):
        split_codes(jnp.zeros((2, 3)), (4,), 1)
    with pytest.raises(ValueError, match=r"got \(1,\) and 0"):
        codes(jg.priors.normal(3), (1,))


# Boxes


def test_a_box_covers_its_pixels():
    """Against the overlap of every pixel's square with the box, by loops."""
    box = np.array([[0.1, 0.25, 0.6, 0.8], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.9]], np.float32)
    mask = np.asarray(box_mask(jnp.asarray(box), 4, 6))
    assert mask.shape == (3, 4, 6, 1)
    for i, (left, top, right, bottom) in enumerate(box):
        for row in range(4):
            for column in range(6):
                wide = max(0.0, min(right * 6, column + 1) - max(left * 6, column))
                high = max(0.0, min(bottom * 4, row + 1) - max(top * 4, row))
                assert mask[i, row, column, 0] == pytest.approx(wide * high, abs=1e-5)
    with pytest.raises(ValueError, match=r"boxes are \[B, 4\] .* got shape \(3,\)"):
        box_mask(jnp.zeros(3), 4, 4)


def test_networks_of_places_hear_captions_and_boxes():
    z, t = jax.random.normal(key(), (2, 3)), jnp.ones((2, 5))
    boxes = jnp.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    generator, discriminator = BoxGenerator(8, 1, 2), BoxDiscriminator(2, 4)
    y = {"caption": t, "box": boxes}
    for network, first in ((generator, z), (discriminator, jnp.ones((2, 8, 8, 1)))):
        variables = network.init(jax.random.key(1), first, y)
        out = network.apply(variables, first, y)
        assert (out != network.apply(variables, first, y | {"caption": -t})).any()
        assert (out != network.apply(variables, first, y | {"box": boxes[::-1]})).any()
    wide = BoxGenerator((8, 12), 2, 2)
    assert wide.init_with_output(key(), z, y)[0].shape == (2, 8, 12, 2)
    with pytest.raises(ValueError, match=r"'caption' \[B, T\] and 'box' \[B, 4\]; got ArrayImpl"):
        generator.init(key(), z, t)
    with pytest.raises(ValueError, match=r"multiples of 4, .* 8 or 12"):
        BoxGenerator(10).init(key(), z, y)


# Pyramids


def test_the_pyramid_reconstructs():
    x = jax.random.uniform(key(), (3, 16, 24, 2), minval=-1, maxval=1)
    pyramid = laplacian_pyramid(x, 3)
    assert [level.shape for level in pyramid] == [(3, 16, 24, 2), (3, 8, 12, 2), (3, 4, 6, 2)]
    np.testing.assert_allclose(reconstruct(pyramid), x, atol=1e-6)


def test_details_start_small_and_are_judged_with_their_image():
    low, z = jax.random.normal(key(), (2, 8, 12, 3)), jnp.ones((2, 4))
    generator, discriminator = DetailGenerator(4), DetailDiscriminator(4, 8)
    variables = generator.init(jax.random.key(1), z, low)
    detail = generator.apply(variables, z, low)
    assert detail.shape == low.shape
    assert np.abs(detail).max() < 0.3
    assert (detail != generator.apply(variables, -z, low)).any()
    variables = discriminator.init(jax.random.key(2), detail, low)
    logits = discriminator.apply(variables, detail, low)
    assert logits.shape == (2,)
    assert (logits != discriminator.apply(variables, detail, 2 * low)).any()
    with pytest.raises(ValueError, match=r"DetailGenerator .* multiples of 4, .* 4 or 8 by 12"):
        generator.init(key(), z, low[:, :6])
