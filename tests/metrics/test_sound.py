"""Figures of sounds and of vibration, by values that are known."""

import numpy as np
import pytest

from jaxgan import data, metrics
from jaxgan.data.tones import NOTES
from jaxgan.data.vibration import NAMES, Bearing, bearing_rates

RATE = 8000


def sine(frequency, length=1024, amplitude=1.0):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(length) / RATE)[None]


def test_a_sine_of_bin_k_has_half_the_windows_sum_as_its_peak():
    x = np.cos(2 * np.pi * 10 * np.arange(512) / 64)[None]
    magnitudes = metrics.spectrogram(x, 64, 16)
    assert magnitudes.shape == (1, 29, 33)
    np.testing.assert_allclose(magnitudes[..., 10], 32 / 2, rtol=1e-9)  # the window's sum is 64 / 2
    assert (magnitudes.argmax(axis=2) == 10).all()


def test_pitch_of_sines_and_of_a_missing_fundamental():
    # a period of no whole number of samples is between two of them
    read = metrics.pitch(np.concatenate([sine(250), sine(233.08), sine(2 * 233.08) + sine(3 * 233.08)]), RATE, 180, 500)
    np.testing.assert_allclose(read.frequency, [250, 233.08, 233.08], rtol=1e-3)
    assert read.harmonic_to_noise.min() > 30


def test_harmonics_to_noise_is_the_ratio_of_powers():
    noise = np.random.default_rng(0).normal(0, np.sqrt(0.05), (200, 4096))
    read = metrics.pitch(sine(250, 4096) + noise, RATE, 180, 500)
    assert read.harmonic_to_noise.mean() == pytest.approx(10, abs=0.1)  # 0.5 to 0.05
    assert metrics.pitch(noise, RATE, 180, 500).harmonic_to_noise.max() < 0
    silent = metrics.pitch(np.zeros((1, 1024)), RATE, 180, 500)
    assert np.isnan(silent.frequency[0])
    assert silent.harmonic_to_noise[0] == -60


def test_every_note_by_formula_is_read_in_tune():
    batch = data.batch_at(data.tones(1024, RATE), 200, 0)(0)
    nearest, cents = metrics.cents_off(metrics.pitch(batch["x"], RATE, 180, 500).frequency, NOTES)
    np.testing.assert_array_equal(nearest, batch["y"])
    assert np.abs(cents).max() < 5
    nearest, cents = metrics.cents_off([445.0, np.nan], [220.0, 440.0])
    assert nearest.tolist() == [1, 0]
    assert cents[0] == pytest.approx(1200 * np.log2(445 / 440))


def test_energies_of_bands_by_hand():
    x = sine(500) + (-1.0) ** np.arange(1024)  # mean squares 1/2 and 1, the second at half the rate
    np.testing.assert_allclose(metrics.band_energies(x, RATE, [0, 1000, 4001]), [1 / 3, 2 / 3], atol=1e-9)
    np.testing.assert_allclose(metrics.band_energies(x, RATE, [0, 500, 4000]), [0, 1], atol=1e-9)
    assert metrics.histogram_distance([2, 2, 0], [1, 0, 1]) == 0.5


def test_kurtosis_and_the_envelope_of_what_is_modulated():
    t = np.arange(1024) / 4096
    x = ((1 + 0.2 * np.cos(2 * np.pi * 64 * t)) * np.cos(2 * np.pi * 1024 * t))[None]
    spectrum = metrics.envelope_spectrum(x, 4096, 500, 1600)
    # (1 + m cos)^2 = 1 + m^2 / 2 + 2 m cos + m^2 / 2 cos 2
    np.testing.assert_allclose(spectrum[0, [16, 32]], [0.4, 0.02], atol=1e-9)
    assert metrics.envelope_peak(x, 4096, (500, 1600), (20, 250)) == [64.0]
    assert metrics.kurtosis(np.array([[0.0, 0.0, 0.0, 2.0]])) == pytest.approx(7 / 3)
    assert metrics.kurtosis(np.sin(2 * np.pi * np.arange(64) / 8)[None]) == pytest.approx(1.5)


def test_faults_come_at_the_bearings_rates_within_a_bin():
    """The rates of SKF 6205 as published: 3.5848, 5.4152 and 4.7135 / 2 of the shaft's."""
    np.testing.assert_allclose(bearing_rates(1.0)[:3], [3.5848, 5.4152, 4.7135 / 2], atol=1e-4)
    n, r, f = 7, 0.25 * np.cos(0.3), 20.0
    by_hand = [n / 2 * f * (1 - r), n / 2 * f * (1 + r), 2 * f * (1 - r * r), f / 2 * (1 - r)]
    np.testing.assert_allclose(bearing_rates(f, Bearing(n, 1.0, 4.0, 0.3)), by_hand)
    batch, step = data.batch_at(data.vibration(), 160, 0)(0), 4096 / 1024
    for kind, rate in enumerate(bearing_rates(30.0)[:3], 1):
        own = batch["x"][batch["y"] == kind]
        peaks = metrics.envelope_peak(own, 4096, (500, 1600), (50, 250))
        assert np.abs(peaks - rate).max() <= step, NAMES[kind]
        assert np.median(metrics.kurtosis(own)) > 5
    assert np.median(metrics.kurtosis(batch["x"][batch["y"] == 0])) < 3


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: metrics.pitch(np.zeros((2, 64, 2)), RATE, 180, 500),
            r"signals \[N, L\] or .* of one channel",
        ),
        (lambda: metrics.pitch(np.zeros((2, 64)), RATE, 180, 500), "four periods of the lowest in 64 samples"),
        (lambda: metrics.pitch(np.full((1, 999), np.nan), RATE, 180, 500), "hold 999 non-finite values of 999"),
        (lambda: metrics.cents_off([0.0], NOTES), "notes .* > 0"),
        (lambda: metrics.histogram_distance([1, 2], [1, 2, 3]), r"of one K; got \(2,\) and \(3,\)"),
        (lambda: metrics.histogram_distance([0, 0], [1, 2]), "not all 0"),
        (lambda: metrics.spectrogram(np.zeros((1, 32)), 64), r"even window in 4\.\.32"),
        (lambda: metrics.band_energies(sine(250), RATE, [0, 0]), r"edges \[K \+ 1\] that rise; got \[0.0, 0.0\]"),
        (lambda: metrics.band_energies(np.zeros((1, 64)), RATE, [0, 9]), "no energy between 0.0 and 9.0 Hz"),
        (lambda: metrics.envelope_spectrum(sine(250), RATE, 9, 5000), r"high <= 4000.0, half the rate; got 9 and 5000"),
        (lambda: metrics.envelope_peak(sine(250), RATE, (9, 50), (1, 2)), r"no bin of 7.81 Hz lies between 1 and 2 Hz"),
    ],
)
def test_what_figures_of_signals_refuse(call, says):
    with pytest.raises(ValueError, match=says):
        call()
