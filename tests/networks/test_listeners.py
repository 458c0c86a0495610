"""What judges of sounds hear: periods, spectra, bands; and the convolutions that they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxgan as jg
from jaxgan.networks import codecs, listeners
from jaxgan.networks.layers import blocked_conv, hann, mel_filters, mel_levels, mel_spectrogram, stft

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "dilations"),
    [
        ((13, 9), (3, 9), (1, 2), (1, 1)),
        ((13, 10), (3, 9), (1, 2), (4, 1)),
        ((14, 5), (5, 1), (3, 1), (1, 1)),
        ((20, 1), (7, 1), (1, 1), (9, 1)),
        ((7, 8), (3, 3), (1, 1), (2, 3)),
    ],
)
def test_blocks_are_the_convolution(size, kernel, strides, dilations):
    x = jnp.asarray(RNG.normal(size=(2, *size, 3)), jnp.float32)
    weights = jnp.asarray(RNG.normal(size=(*kernel, 3, 4)), jnp.float32)
    pads = [(d * (k // 2),) * 2 for k, d in zip(kernel, dilations, strict=True)]
    numbers = ("NHWC", "HWIO", "NHWC")

    def plain(x, weights):
        return lax.conv_general_dilated(x, weights, strides, pads, rhs_dilation=dilations, dimension_numbers=numbers)

    def ours(x, weights):
        return blocked_conv(x, weights, strides, dilations)

    np.testing.assert_allclose(ours(x, weights), plain(x, weights), atol=2e-5)
    one, other = (jax.grad(lambda *a, f=f: jnp.sum(jnp.sin(f(*a))), (0, 1))(x, weights) for f in (ours, plain))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), one, other)


def test_blocks_refuse_what_they_cannot():
    for kernel, settings in (((2, 3), {}), ((3, 3), {"strides": (2, 1), "dilations": (2, 1)})):
        with pytest.raises(ValueError, match="kernels of odd sides, and a stride or a dilation of each axis"):
            blocked_conv(jnp.zeros((1, 4, 4, 1)), jnp.zeros((*kernel, 1, 1)), **settings)


@pytest.mark.parametrize("period", [2, 3, 7])
def test_what_has_the_period_is_constant_in_time(period):
    """A sine of period p has the same value in every row of the map, and a length of whole periods has no padding."""
    wave = jnp.sin(2 * jnp.pi * (jnp.arange(6 * period, dtype=jnp.float32) + 0.3) / period)
    rows = listeners.by_period(wave.reshape(1, -1, 1), period)
    assert rows.shape == (1, 6, period, 1)
    np.testing.assert_allclose(rows, jnp.broadcast_to(rows[:, :1], rows.shape), atol=1e-5)
    other = listeners.by_period(wave.reshape(1, -1, 1), period + 1)
    assert float(jnp.max(jnp.std(other, axis=1))) > 0.1


@pytest.mark.parametrize("pad", [0, 24, 32])
def test_a_sine_stands_at_its_bin(pad):
    """At k = f N / rate, sum(w) / 2 high, in every frame that no padding reaches; frames are as many as is said."""
    window, hop, k, rate = 64, 16, 9, 8000
    x = jnp.sin(2 * jnp.pi * k * rate / window * jnp.arange(256) / rate + 0.4).reshape(1, -1)
    magnitudes = jnp.abs(stft(x, window, hop, pad))[0]
    assert magnitudes.shape == ((256 + 2 * pad - window) // hop + 1, window // 2 + 1)
    inner = magnitudes[2:-2]
    np.testing.assert_array_equal(jnp.argmax(inner, axis=1), np.full(len(inner), k))
    np.testing.assert_allclose(jnp.max(inner, axis=1), hann(window).sum() / 2, rtol=1e-4)
    frames = np.stack([np.asarray(x[0])[n : n + window] * hann(window) for n in range(0, 256 - window + 1, hop)])
    if not pad:
        np.testing.assert_allclose(stft(x, window, hop)[0], np.fft.rfft(frames), atol=1e-4)
    slope = jax.grad(lambda x: jnp.sum(jnp.abs(stft(x, window, hop))))(jnp.zeros((1, 128)))
    assert bool(jnp.all(jnp.isfinite(slope)))  # of silence too
    for settings in ((60, 16), (64, 16, 256)):
        with pytest.raises(ValueError, match="an even window that the hop divides, pad < L"):
            stft(x, *settings)


def test_mels_by_hand():
    """Edges below 1000 Hz are equally far apart in Hz; above they are 6.4^(1/27) times as high a mel."""
    filters = mel_filters(2000.0, window=20, bands=4)  # 0..1000 Hz: edges every 200 Hz, bins every 100
    want = np.zeros((11, 4))
    for band in range(4):
        want[2 * band + 1, band] = want[2 * band + 3, band] = 0.5 / 200
        want[2 * band + 2, band] = 1 / 200
    np.testing.assert_allclose(filters, want, atol=1e-9)
    top = 1000 * 6.4 ** (np.array([0, 5, 10]) / 27)  # 15, 20 and 25 mels
    high = mel_filters(20_000.0, window=20_000, bands=1, low=1000.0, high=top[2])[:, 0]
    assert abs(int(np.argmax(high)) - top[1]) <= 1
    np.testing.assert_allclose(high.max(), 2 / (top[2] - top[0]), rtol=1e-2)
    np.testing.assert_allclose(high.sum(), 1.0, rtol=1e-3)  # of area 1, over bins of 1 Hz
    with pytest.raises(ValueError, match="bands >= 1 and 0 <= low < high <= rate / 2"):
        mel_filters(8000.0, 64, 4, high=5000.0)


def test_levels_of_mels():
    x = jnp.asarray(RNG.uniform(-1, 1, (2, 128)), jnp.float32)
    magnitudes = mel_spectrogram(x, 8000, 32, 8, 5)
    assert magnitudes.shape == (2, 16, 5)
    levels = mel_levels(x, 8000, 32, 8, 5, floor=0.01)
    np.testing.assert_allclose(levels, 1 + np.log10(np.clip(magnitudes, 0.01, 1)), atol=1e-5)
    assert float(jnp.max(jnp.abs(mel_levels(0 * x, 8000, 32, 8, 5) + 1))) < 1e-6


def test_judges_and_their_features(key):
    x = jnp.asarray(RNG.uniform(-1, 1, (2, 64, 1)), jnp.float32)
    periods = listeners.MultiPeriodDiscriminator((2, 5), (2, 3))
    spectra = listeners.MultiResolutionDiscriminator((16, 8), 2, bands=(0.0, 0.5, 1.0))
    network = listeners.Listeners((periods, spectra))
    heard = jax.eval_shape(lambda key, x: network.init_with_output(key, x)[0], key, x)
    assert [h.logits.shape[0] for h in heard] == [2] * 4
    assert [len(h.features) for h in heard] == [2, 2, 10, 10]
    assert heard[0].features[1].shape == (2, 11, 2, 3)  # 32 rows, a third of them; the last layer has a stride of 1
    assert heard[2].features[4].shape == (2, 16, 1, 2)  # 16 frames, 4 bins of a band, halved three times
    levelled = listeners.Listeners((listeners.MultiPeriodDiscriminator((2,), (2,)),), levelled=True)
    variables = levelled.init(key, x)
    loud = levelled.apply(variables, 0.3 + 0.1 * x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), loud, levelled.apply(variables, x))
    for each in (periods, spectra):
        with pytest.raises(ValueError, match=r"takes sounds \[B, L, C\] of"):
            each.init(key, x[:, :4])


def test_relative_matching_does_not_know_the_discriminators_scale():
    real, fake = ([jnp.asarray(RNG.normal(size=(3, n)), jnp.float32) for n in (4, 7)] for _ in range(2))
    base = jg.losses.layerwise_matching(real, fake, relative=True)
    scaled = [[scale * f for scale, f in zip((1e3, 1e-3), side, strict=True)] for side in (real, fake)]
    np.testing.assert_allclose(jg.losses.layerwise_matching(*scaled, relative=True), base, rtol=1e-5)
    assert float(jg.losses.layerwise_matching(*scaled)) > 100 * float(jg.losses.layerwise_matching(real, fake))
    with pytest.raises(ValueError, match="takes features of the same layers; got 2 and 1"):
        jg.losses.layerwise_matching(real, fake[:1])


def test_distances_of_spectra_by_hand():
    """Twice as loud is log10(2) away in every window, and log(2) + 1 in the other distance; refusals name shapes."""
    x = jnp.asarray(RNG.uniform(-0.5, 0.5, (2, 64, 1)), jnp.float32)
    apart = jg.losses.mel_distance(x, 2 * x, 8000, (16, 32), (3, 4))
    np.testing.assert_allclose(apart, 2 * np.log10(2), rtol=1e-5)
    np.testing.assert_allclose(jg.losses.spectral_distance(x, 2 * x, (16, 32)), 1 + np.log(2), rtol=1e-4)
    distances = jg.losses.spectral_distance, lambda x, y, windows: jg.losses.mel_distance(x, y, 8000, windows, (3,))
    for distance in distances:
        slope = jax.grad(lambda y, f=distance: f(x[:1, :32], y, (16,)))(jnp.zeros((1, 32, 1)))
        assert bool(jnp.all(jnp.isfinite(slope)))  # at silence too
    with pytest.raises(ValueError, match=r"compares sounds \[B, L, C\] of one shape"):
        jg.losses.mel_distance(x, x[:, :32], 8000)
    with pytest.raises(ValueError, match="needs bands for each window"):
        jg.losses.mel_distance(x, x, 8000, (16,), (3, 4))
    with pytest.raises(ValueError, match="needs windows, and floor > 0"):
        jg.losses.spectral_distance(x, x, ())


def test_frames_there_and_back(key):
    x = jax.ShapeDtypeStruct((2, 96, 1), jnp.float32)
    encoder, decoder = codecs.Encoder(3, 2, (2, 4), (1, 3), "elu"), codecs.Decoder(1, 4, (4, 2), (1,))
    z = jax.eval_shape(lambda key, x: encoder.init_with_output(key, x)[0], key, x)
    assert z.shape == (2, 12, 3)
    assert jax.eval_shape(lambda key, z: decoder.init_with_output(key, z)[0], key, z).shape == x.shape
    for network, given, says in (
        (encoder, x.update(shape=(2, 95, 1)), r"in whole frames of 8 samples; got shape \(2, 95, 1\)"),
        (decoder.clone(features=3), z, "can be halved 2 times"),
        (encoder.clone(activation="relu"), x, "activation='relu' is unknown"),
        (codecs.HiFiGenerator(features=2, rates=(2, 2)), z, "can be halved 2 times"),
    ):
        with pytest.raises(ValueError, match=says):
            jax.eval_shape(network.init, key, given)


def test_voices_have_hisses():
    voices = jg.data.voices(512).read(jg.data.Draw(0, np.arange(4), None))["x"]
    again = jg.data.voices(512).read(jg.data.Draw(0, np.arange(2, 4), None))["x"]
    np.testing.assert_array_equal(voices[2:], again)
    assert np.all((np.abs(voices).max(axis=1) >= 0.5) & (np.abs(voices).max(axis=1) <= 0.9))
    shares = jg.metrics.band_energies(voices, 8000, [0, 2000, 4001])
    assert 0.1 < shares[1] < 0.7
    with pytest.raises(ValueError, match="length >= 512 and rate >= 8000"):
        jg.data.voices(256)
