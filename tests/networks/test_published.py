"""What docstrings state of published networks: numbers of parameters, and how weights start. Nothing is compiled."""

import math
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import (
    biggan,
    codecs,
    dcgan,
    laplacian,
    listeners,
    patch,
    progressive,
    r3gan,
    resnet,
    stylegan2,
    translators,
    unet,
    voxels,
    wavegan,
)

ROOT = pathlib.Path(__file__).parents[2]


def latents(width):
    return jax.ShapeDtypeStruct((4, width), jnp.float32)


def images(side, channels=3):
    return jax.ShapeDtypeStruct((4, side, side, channels), jnp.float32)


Y = jax.ShapeDtypeStruct((4,), jnp.int32)
THOUSAND, TEN = {"classes": 1000}, {"classes": 10}
DEEP = {"size": 128, "features": 128, "deep": True}
CIFAR = {"size": 32, "features": 512, "max_features": 512}
PUBLISHED = {
    # Printed by the authors' PyTorch code, with mappings of 2 and 8 layers; "paper256" is the third.
    "StyleGAN2, 1024 pixels": (
        (stylegan2.Generator(3, 1024, 32), latents(512), 30_370_060),
        (stylegan2.Generator(3, 1024, 32, hidden=(512,) * 2), latents(512), 28_794_124),
        (stylegan2.Discriminator(1024, 32), images(1024), 29_012_513),
    ),
    "StyleGAN2, 256 pixels": (
        (stylegan2.Generator(3, 256, 64), latents(512), 24_767_458),
        (stylegan2.Discriminator(256, 64), images(256), 24_001_089),
        (stylegan2.Generator(3, 256, 128), latents(512), 30_034_338),
        (stylegan2.Discriminator(256, 128), images(256), 28_864_129),
    ),
    "StyleGAN2-ADA, CIFAR-10": (
        (stylegan2.Generator(hidden=(512,) * 2, **CIFAR, **TEN), latents(512), Y, 20_215_315),
        (stylegan2.Discriminator(architecture="plain", **CIFAR, **TEN), images(32), Y, 23_089_664),
    ),
    # 70.43 and 87.98 million; 50.4 (with 128 outputs of its last convolution, of which three are used) and 34.6.
    "BigGAN, 128 pixels": (
        (biggan.Generator(size=128, **THOUSAND), latents(120), Y, 70_433_988),
        (biggan.Discriminator(size=128, **THOUSAND), images(128), Y, 87_982_370),
    ),
    "BigGAN-deep, 128 pixels": (
        (biggan.Generator(**DEEP, **THOUSAND), latents(128), Y, 50_244_484),
        (biggan.Generator(channels=128, **DEEP, **THOUSAND), latents(128), Y, 50_244_484 + 125 * (9 * 128 + 1)),
        (biggan.Discriminator(**DEEP, **THOUSAND), images(128), Y, 34_590_210),
    ),
    # Nine blocks, of 64 features in the first map.
    "CycleGAN, 256 pixels": ((translators.ResNet(3), images(256), 11_378_179),),
    # 23.1 million in either: table 2 of the paper.
    "ProGAN, 1024 pixels": (
        (progressive.Generator(3, 1024), latents(512), 23_079_286),
        (progressive.Discriminator(1024), images(1024), 23_077_265),
    ),
    # 20.73 and 20.68 million; with labels an embedding of 64 beside z, 768 outputs and an embedding of as many.
    "R3GAN, 32 pixels": (
        (r3gan.Generator(), latents(64), 20_732_160),
        (r3gan.Discriminator(), images(32), 20_683_776),
        (r3gan.Generator(**TEN), latents(64), Y, 20_732_160 + 64 * 768 + 10 * 64),
        (r3gan.Discriminator(**TEN), images(32), Y, 20_683_776 + 768 * 767 + 10 * 768),
    ),
    "SNGAN, 32 pixels": (
        (resnet.Generator(), latents(128), 4_276_739),
        (resnet.Discriminator(), images(32), 1_053_825),
    ),
    # The authors' halves five times, features (64, 128, 256, 512, 1024).
    "SNGAN, 64 pixels": (
        (resnet.Generator(size=64, features=1024), latents(128), 12_220_675),
        (resnet.Discriminator(64, features=1024), images(64), 10_141_441),
    ),
    "SNGAN, 128 pixels": (
        (resnet.Generator(size=128, features=1024), latents(128), 32_150_787),
        (resnet.Discriminator(128, features=1024), images(128), 29_017_857),
    ),
    "WGAN-GP, 32 pixels": (
        (resnet.Generator(features=128), latents(128), 1_204_483),
        (resnet.Discriminator(normalization="none", pool="mean"), images(32), 1_053_825),
    ),
    # The authors' has 3 more at width 2: a layer that it never uses.
    "U-Net, 256 pixels": (
        (unet.Discriminator(2, 6), images(256), 43_494),
        (unet.Discriminator(64, 6), images(256), 44_067_586),
    ),
    # 16,384 samples, 64 features; counted from the shapes of the authors' layers.
    "WaveGAN": (
        (wavegan.WaveGenerator(), latents(100), 19_065_345),
        (wavegan.WaveDiscriminator(), jax.ShapeDtypeStruct((4, 16_384, 1), jnp.float32), 17_427_969),
    ),
    # V1 of HiFi-GAN has 13.92 million; its judges of periods by the shapes of the authors' layers.
    "HiFi-GAN": (
        (codecs.HiFiGenerator(), jax.ShapeDtypeStruct((4, 32, 80), jnp.float32), 13_926_017),
        (listeners.MultiPeriodDiscriminator(), jax.ShapeDtypeStruct((4, 8192, 1), jnp.float32), 41_092_165),
    ),
    # The authors' layers, of 64^3 voxels; 11,046,912 and 17,567,744 of these are weights of convolutions.
    "3D-GAN, 64 voxels": (
        (voxels.Generator(size=64), latents(200), 17_569_665),
        (voxels.Discriminator(64), jax.ShapeDtypeStruct((4, 64, 64, 64, 1), jnp.float32), 11_048_769),
    ),
    "U-Net, 128 pixels": ((unet.Discriminator(64, 5), images(128), 31_481_602),),
}


def test_numbers_of_parameters_are_those_published():
    found, stated = {}, {}
    for name, networks in PUBLISHED.items():
        shapes = (jax.eval_shape(net.init, jax.random.key(0), *inputs)["params"] for net, *inputs, _ in networks)
        found[name] = [sum(leaf.size for leaf in jax.tree.leaves(params)) for params in shapes]
        stated[name] = [number for *_, number in networks]
    assert found == stated


def test_every_number_of_parameters_that_is_written_down_is_one_of_these():
    known = {f"{number:,}" for networks in PUBLISHED.values() for *_, number in networks}
    places = [*ROOT.glob("jaxgan/networks/**/*.py"), *ROOT.glob("experiments/full_size/*.py")]
    written = [
        (place.name, number) for place in places for number in re.findall(r"\d+(?:,\d{3}){2,}", place.read_text())
    ]
    assert len(written) > 10
    assert [pair for pair in written if pair[1] not in known] == []


# How weights start


def started(network, *inputs):
    """Parameters by path; only what they are drawn from is computed."""
    params = network.lazy_init({"params": jax.random.key(0), "global": jax.random.key(1)}, *inputs)["params"]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(p) for path, p in leaves(params)}


def leaves(params):
    return jax.tree_util.tree_leaves_with_path(params)


def glorot(shape, gain=1.0):
    window = math.prod(shape[:-2])
    return gain * math.sqrt(2 / (window * (shape[-2] + shape[-1])))


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (resnet.Generator(size=16, features=24), (latents(16),)),
        (resnet.Discriminator(size=16, features=24, normalization="none", classes=20), (images(16), Y)),
    ],
    ids=["generator", "discriminator"],
)
def test_residual_networks_start_as_the_authors(network, inputs):
    """Glorot's uniform; the 3x3 convolutions of the blocks sqrt 2 times as far, the generator's last one not."""
    for path, kernel in started(network, *inputs).items():
        if kernel.ndim < 2:
            continue
        of_a_block = "Block" in path and kernel.shape[:2] == (3, 3)
        deviation = glorot(kernel.shape, math.sqrt(2) if of_a_block else 1)
        # Of n uniform numbers the deviation's own is 0.45 / sqrt(n) of it.
        np.testing.assert_allclose(kernel.std(), deviation, rtol=2.5 / math.sqrt(kernel.size), err_msg=path)
        assert np.abs(kernel).max() <= math.sqrt(3) * deviation * 1.001


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (dcgan.Generator(3, 16, 8), (latents(16),)),
        (dcgan.Discriminator(16, 8), (images(16),)),
        (patch.Discriminator(8, 2), (images(32),)),
    ],
    ids=["dcgan generator", "dcgan discriminator", "patch discriminator"],
)
def test_convolutional_networks_start_at_a_deviation_of_two_hundredths(network, inputs):
    """0.02 for every weight, biases at 0; DCGAN's head starts at 1 / sqrt(inputs), as the page of differences says."""
    parameters = started(network, *inputs)
    for path, p in parameters.items():
        if p.ndim < 2:
            continue
        lecun = isinstance(network, dcgan.Discriminator) and path == "logits/kernel"
        deviation = 1 / math.sqrt(len(p)) if lecun else 0.02
        np.testing.assert_allclose(p.std(), deviation, rtol=3 / math.sqrt(p.size), err_msg=path)
        assert abs(p.mean()) < deviation * 4 / math.sqrt(p.size), path
    assert all((p == 0).all() for path, p in parameters.items() if path.endswith("bias"))


def test_a_fresh_detail_is_almost_nothing():
    """The last convolution of LAPGAN's generators starts at 0.001."""
    parameters = started(laplacian.DetailGenerator(features=4), latents(8), images(8, 1))
    kernels = list(parameters.values())
    assert min(abs(p.std() / 1e-3 - 1) for p in kernels if p.ndim == 4) < 0.3


def test_orthogonal_networks():
    """BigGAN's and the U-Net's weights are orthogonal matrices [inputs, outputs] at first."""
    for network, inputs in [
        (biggan.Generator(1, 16, 2, classes=3, attention=0), (latents(6), Y)),
        (unet.Discriminator(2, 1, "none", 3), (images(4), Y)),
    ]:
        for path, p in started(network, *inputs).items():
            if p.ndim > 1:
                matrix = p.reshape(-1, p.shape[-1])
                small = min((matrix @ matrix.T, matrix.T @ matrix), key=len)
                np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5, err_msg=path)
