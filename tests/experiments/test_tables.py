"""Experiments that end in tables: each runs from the command line, says what it must, and refuses what it cannot."""

import json
import math
from html import escape

import jax
import numpy as np
import optax
import pytest

import jaxgan as jg
from experiments import TABLES
from experiments.__main__ import main
from experiments.toys import dirac, modes, remedies
from jaxgan.runs.modules import bundled
from jaxgan.runs.tables import formatted, markdown
from jaxgan.types import name_index

MADE_ON_GRID = [
    f"{teacher} teacher, {steps} Euler steps" for teacher in ("exact", "weak") for steps in (1, 5, 10, 50)
] + [f"student of the {teacher} teacher{rest}" for teacher in ("exact", "weak") for rest in ("", ", adversary")]
MADE_ON_GRID = [*MADE_ON_GRID[:4], "where students start", *MADE_ON_GRID[8:10], *MADE_ON_GRID[4:8], *MADE_ON_GRID[10:]]
COLUMNS = {
    "dirac": [{"method", "steps", "spectral radius", "theory", "last distance", "verdict", "expected"}],
    "modes": [{"method", "modes", "high quality", "reverse KL", "papers", "seconds"}] * 2,
    "remedies": [
        {"remedy", "modes", "high quality", "reverse KL"},
        {"remedy", "distance", "verdict"},
        {"remedy", "at the start", "at the end"},
    ],
    "optimal_discriminator": [{"loss", "distance", "value, theory", "value, trained", "mean error of D"}],
    "digits_semi": [{"trained on", "test error, %", "labels learned, %", "seconds"}],
    "digits_features": [{"features", "50 labels", "60 labels"}],
    "digits_latent": [{"what", "before", "after"}],
    "lapgan": [{"level", "upsampling alone", "with details"}],
    "progressive": [{"pixels", "jump", "parameters carried over", "Fréchet distance", "seconds"}],
    "truncation": [
        {"truncation", "frechet_distance", "precision", "recall", "classes", "perceptual path length"},
        {"layers of the first", "class of the first", "class of the second"},
    ],
    "stacked_digits": [{"method", "modes", "KL", "sure", "papers", "seconds"}],
    "glyph_text": [{"pictures", "letter", "weight", "size", "place", "whole caption"}],
    "glyph_where": [{"pictures", "overlap", "letter", "weight"}],
    "glyph_stack": [{"pictures", "letter", "weight", "size", "place", "whole caption"}],
    "projected": [
        {"discriminator", "steps", "faces", "patches", "nearness", "seconds a step", "minutes"},
    ],
    "denoising_diffusion": [{"T", "modes", "high quality", "reverse KL"}],
    "digits_add": [{"made by", "calls", "frechet_distance", "precision", "recall"}],
    "digits_bigan": [
        {"method", "reconstruction ratio", "squared error", "1-NN of E(x), %", "1-NN of features, %"},
        {"method", "modes", "high quality"},
    ],
    "digits_aae": [
        {"method", "told apart by knn", "told apart by mlp", "Fréchet distance", "squared error"},
        {"trained on", "test error, %"},
    ],
    "cogan": [
        {"pairs", "agreement", "of two latents", "distance", "from another's", "Fréchet, digits", "Fréchet, edges"}
    ],
    "domain_adversarial": [{"trained on", "source", "target", "domains"}] * 2,
    "simgan": [{"trained on", "handwritten", "read as their labels", "moved", "Fréchet distance"}],
    "density_ratio": [
        {"densities", "error, both > 0.01", "error, one > 0.01", "KL", "mean logit over p"},
        {"correlation", "information", "mean logit", "off, %"},
        {"distance", "KL", "mean logit over p", "share"},
    ],
    "avb": [
        {"T", "correlation", "error", "mean"},
        {
            "posterior",
            "log p(x|z)",
            "KL of all from the prior",
            "KL of each",
            "log p(x)",
            "divergence, as trained",
        },
    ],
    "digits_vaegan": [
        {
            "method",
            "frechet_distance",
            "precision",
            "recall",
            "read rightly",
            "pixel error",
            "sharpness",
            "seconds",
        }
    ],
    "edges_to_glyphs": [{"method", "sharpness", "patch distance", "read", "L1", "PSNR, dB", "SSIM", "two draws"}],
    "unpaired_glyphs": [{"method", "class kept", "one to one", "error to the partner", "home", "home with noise"}],
    "disco": [{"method", "correlation", "error, degrees", "sectors"}],
    "inpainting": [{"completed by", "read rightly", "squared error", "sharpness", "patch distance"}],
    "structure_style": [{"pictures", "angle", "angle to others'", "patch distance"}],
    "digits_tokenizer": [
        {
            "method",
            "L1",
            "squared error",
            "gradient energy",
            "patch distance",
            "codes used",
            "weight at last",
        }
    ],
    "seqgan": [{"method", "NLL_oracle", "NLL_test", "at equal NLL_test", "2-grams"}],
    "maskgan": [{"filled by", "words", "distinct", "4-grams", "-log p", "words at equal -log p"}],
    "gumbel": [{"method", "valid", "distinct", "signs", "-log p", "valid at equal -log p", "likelihood there"}],
    "superresolution": [{"enlarged by", "PSNR", "high band", "patch distance", "PSNR made small"}],
    "perception_distortion": [{"enlarged by", "PSNR", "patch distance", "gradients", "PSNR made small"}],
    "digits_inversion": [{"inverted by", "squared error", "read rightly", "edited", "distance of styles"}],
    "motion_prior": [{"policy", "return", "distance of manner"}],
    "texture": [{"texture", "patch distance", "nearest", "seams"}],
    "ctgan": [{"rows", "columns", "worst column", "pairs", "correlations", "told apart", "TSTR"}],
    "adagan": [{"method", "modes", "high quality", "reverse KL"}],
    "mix_gan": [
        {"method", "modes", "high quality", "reverse KL", "smallest generator", "smallest discriminator"},
        {"form", "weight before", "weight after"},
    ],
    "tones": [{"notes", "pitches", "in tune", "harmonics to noise, dB", "bands", "nearest training note"}],
    "speech_codec": [{"codec", "kbit/s", "log mel distance", "energy above 2 kHz", "wave L1", "perplexity"}],
    "tones_vocoder": [
        {
            "notes",
            "STFT distance",
            "log mel distance",
            "pitch off, cents",
            "within 20 cents",
            "harmonics to noise, dB",
        }
    ],
    "vibration": [
        {
            "signals",
            "trained on them, tested on real",
            "trained on real, tested on them",
            "peak within a bin",
            "mean's peak off, bins",
            "kurtosis, whole",
            "kurtosis, faults",
        }
    ],
    "voxels": [{"solids", "largest part", "sure", "rarest kind", "volumes", "Fréchet distance", "nearest", "copies"}],
    "moving_digits": [{"frames by", "sharpness", "PSNR", "patch distance", "read", "read at last"}],
    "grid_one_step": [{"made by", "calls", "modes", "high quality", "reverse KL"}],
    "digits_one_step": [{"made by", "calls", "frechet_distance", "precision", "recall"}],
    "gail": [{"roll-outs", "every", "GAIL", "cloning"}],
    "turing_learning": [{"behaviour", "method", "mean error", "mean estimate", "truth"}],
}
FIRST = {  # the first cell of every row, table by table
    "dirac": [["minimax"] * 2 + ["wgan-gp"] * 2],
    "modes": [["vanilla", "packing 2"]] * 2,
    "remedies": [
        None,
        ["none, alternating steps", "mean of all iterates"],
        ["none (minimax)", "minimax + instance noise, std 3"],
    ],
    "optimal_discriminator": [["minimax", "least_squares", "hinge"]],
    "digits_semi": [["labels alone", "and unlabelled digits"]],
    "digits_features": [["raw pixels", "untrained discriminator", "trained discriminator"]],
    "digits_latent": [["class by vector", "ink, -2 and +2 along its direction", "error of inversion"]],
    "lapgan": [["8 -> 16, from real", "16 -> 32, from real", "all levels generated"]],
    "progressive": [["8", "16, grown", "32, grown", "32, from nothing"]],
    "truncation": [[1.0, 0.5], list(range(7))],
    "stacked_digits": [["real stacks", "packing 2", "rpgan + r1 + r2"]],
    "glyph_text": [["real", "generated"]],
    "glyph_where": [["real", "generated"]],
    "glyph_stack": [["real", "real, halved and enlarged", "stage I, enlarged", "stage II"]],
    "projected": [
        [
            "frozen features",
            "DCGAN, R1, as many steps",
            "DCGAN, R1, as many minutes",
            "half of the faces, to the others",
        ]
    ],
    "denoising_diffusion": [["1", "2", "4"]],
    "digits_add": [
        [
            "teacher, 1 Euler steps",
            "teacher, 10 Euler steps",
            "the distance alone",
            "heads alone",
            "heads and the distance",
        ]
    ],
    "digits_bigan": [["BiGAN", "latent regressor", "autoencoder", "untrained encoder"], ["ALI", "GAN"]],
    "digits_aae": [["AAE", "AE", "VAE"], ["labels alone", "and unlabelled digits"]],
    "cogan": [["real", "coupled", "apart"]],
    "domain_adversarial": [["source alone", "domain-adversarial", "target with labels"]] * 2,
    "simgan": [
        ["typeset", "typeset, bent and blurred", "refined", "refined, bent and blurred", "handwritten with labels"]
    ],
    "density_ratio": [["N(0, 1) against N(1, 1)", "N(0, 1) against N(0, 4)"], [0.8], [1.0]],
    "avb": [["plain", "with adaptive contrast"], ["normal", "adversarial", "adversarial with contrast"]],
    "digits_vaegan": [["VAE", "VAE/GAN"]],
    "edges_to_glyphs": [["L1 alone", "L1 and game"]],
    "unpaired_glyphs": [["none: a itself", "there and back", "game alone"]],
    "disco": [["discogan", "game and reconstruction", "game alone"]],
    "inpainting": [["truth", "mean digit", "squared error alone", "context encoder"]],
    "digits_tokenizer": [
        ["L1 alone", "and an adversary", "codebook revived", "codebook by gradient", "PCA", "other digits"]
    ],
    "seqgan": [["maximum likelihood", "SeqGAN"]],
    "maskgan": [["truth", "maximum likelihood", "MaskGAN"]],
    "gumbel": [["maximum likelihood", "soft", "soft with noise", "straight through"]],
    "structure_style": [["real", "painted normals", "pictures alone", "structure, then style"]],
    "superresolution": [["bicubic", "squared error alone", "SRGAN"]],
    "perception_distortion": [["bicubic", "squared error alone", "weight 0.01", "weight 0.1"]],
    "digits_inversion": [["encoder", "e4e 0.1", "styles optimised", "one style optimised"]],
    "motion_prior": [["motion prior", "task alone", "manner alone", "cloning"]],
    "texture": [["left half", "noise of its spectrum", "quilts", "generated"]],
    "ctgan": [["real rows", "independent columns", "Gaussian copula", "CTGAN", "CTGAN, by log frequency"]],
    "adagan": [["AdaGAN", "apart", "one, as long", "one component"]],
    "mix_gan": [
        ["one pair", "one, as long", "apart", "mixture, entropy", "mixture, evenness"],
        ["entropy", "evenness"],
    ],
    "tones": [["real", "playback", "noise of their spectrum", "no shuffle", "WaveGAN"]],
    "speech_codec": [["no adversary", "with adversary"]],
    "tones_vocoder": [["truth", "Griffin and Lim", "no adversary", "with adversary"]],
    "vibration": [["real", "noise of their spectrum", "WaveGAN"]],
    "voxels": [["held-out solids", "voxels by themselves", "VAE", "3D-GAN"]],
    "moving_digits": [["truth", "last frame", "square error", "and gradients", "and game"]],
    "grid_one_step": [MADE_ON_GRID],
    "digits_one_step": [
        [
            *(f"teacher, {steps} Euler steps" for steps in (1, 5, 50)),
            *("distribution matching", "with an adversary", "score identity"),
        ]
    ],
    "gail": [[1.0, 1.0]],
    "turing_learning": [["autoregression"] * 2 + ["line_of_sight"] * 2],
}
PICTURES = {
    "dirac": {"dirac.png"},
    "modes": {"ring.png", "grid.png"},
    "remedies": {"remedies.png"},
    "optimal_discriminator": set(),
    "digits_semi": {"samples.png"},
    "digits_features": set(),
    "digits_latent": {"classes.png", "directions.png", "interpolation.png"},
    "lapgan": {"samples.png"},
    "progressive": {"8.png", "16.png", "32.png", "scratch.png"},
    "truncation": {"judge.npz", "mixing.png"},
    "stacked_digits": {"judge.npz", "quarter-packing2.png", "quarter-rpgan+r1+r2.png"},
    "glyph_text": {"samples.png"},
    "glyph_where": {"samples.png"},
    "glyph_stack": {"samples.png"},
    "projected": {"samples.png"},
    "denoising_diffusion": {"T1.png", "T2.png", "T4.png"},
    "digits_add": {"judge.npz", "samples.png"},
    "digits_bigan": {"samples.png"},
    "digits_aae": {"judge.npz", "samples.png"},
    "cogan": {"samples.png"},
    "domain_adversarial": {"samples.png"},
    "simgan": {"samples.png"},
    "density_ratio": {"ratios.png"},
    "avb": {"samples.png"},
    "digits_vaegan": {"judge.npz", "samples.png"},
    "edges_to_glyphs": {"samples.png"},
    "unpaired_glyphs": {"samples.png"},
    "disco": {"samples.png"},
    "inpainting": {"samples.png"},
    "structure_style": {"samples.png"},
    "digits_tokenizer": {"samples.png"},
    "seqgan": {"curve.png", "samples.txt"},
    "maskgan": {"curve.png", "samples.txt"},
    "gumbel": {"curve.png", "samples.txt"},
    "superresolution": {"samples.png"},
    "perception_distortion": {"curve.png", "samples.png", "sweep-seed3.npz"},
    "digits_inversion": {"features.npz", "judge.npz", "samples.png"},
    "motion_prior": {"samples.png", "rollouts.gif"},
    "texture": {"samples.png"},
    "ctgan": {"samples.png", "fair.txt"},
    "adagan": {"samples.png"},
    "mix_gan": {"samples.png"},
    "tones": {"real.wav", "samples.png", "samples.wav"},
    "speech_codec": {"truth.wav", "no-adversary.wav", "with-adversary.wav", "samples.png"},
    "tones_vocoder": {
        "truth.wav",
        "Griffin-and-Lim.wav",
        "no-adversary.wav",
        "with-adversary.wav",
        "samples.png",
    },
    "vibration": {"real.wav", "samples.png", "samples.wav"},
    "voxels": {"samples.png", "turning.gif"},
    "moving_digits": {"samples.png", "moving.gif"},
    "grid_one_step": {f"{name.replace(', ', '-').replace(' ', '-')}.png" for name in MADE_ON_GRID},
    "digits_one_step": {"judge.npz", "samples.png"},
    "gail": {"samples.png", "rollouts.gif"},
    "turing_learning": {"samples.png", "robots.gif"},
}
MEMBERS = {
    "digits_semi": {f"{name}-seed{seed}" for name in ("labels-alone", "and-unlabelled-digits") for seed in (3, 4)},
    "digits_features": {"seed3"},
    "digits_latent": {"game"},
    "lapgan": {"seed3"},
    "progressive": {"8", "16", "32", "scratch"},
    "truncation": {"game"},
    "stacked_digits": {f"quarter-{name}-seed{seed}" for name in ("packing2", "rpgan+r1+r2") for seed in (3, 4)},
    "glyph_text": {"seed3"},
    "glyph_where": {"seed3"},
    "glyph_stack": {"seed3"},
    "projected": {
        f"{name}-seed3" for name in ("frozen-features", "DCGAN-R1-as-many-steps", "DCGAN-R1-as-many-minutes")
    },
    "denoising_diffusion": {"T1-seed3", "T2-seed3", "T4-seed3"},
    "digits_add": {
        f"{name}-seed3" for name in ("teacher", "the-distance-alone", "heads-alone", "heads-and-the-distance")
    },
    "digits_bigan": {f"{name}-seed3" for name in ("BiGAN", "latent-regressor", "autoencoder", "grid-ALI", "grid-GAN")},
    "digits_aae": {f"{name}-seed3" for name in ("AAE", "AE", "VAE", "labels-alone", "and-unlabelled-digits")},
    "cogan": {"coupled-seed3", "apart-seed3"},
    "domain_adversarial": {
        f"{data}-{name}-seed3"
        for data in ("moons", "digits")
        for name in ("source-alone", "domain-adversarial", "target-with-labels")
    },
    "simgan": {"seed3"},
    "density_ratio": {"shifted-seed3", "wider-seed3", "rho0.8-seed3", "apart1-seed3"},
    "avb": {
        "ratio-seed3",
        "ratio-contrast-seed3",
        "normal-seed3",
        "adversarial-seed3",
        "adversarial-with-contrast-seed3",
    },
    "digits_vaegan": {"vae-seed3", "vae-gan-seed3"},
    "edges_to_glyphs": {"L1-alone-seed3", "L1-and-game-seed3"},
    "unpaired_glyphs": {"there-and-back-seed3", "game-alone-seed3"},
    "disco": {"discogan-seed3", "game-and-reconstruction-seed3", "game-alone-seed3"},
    "inpainting": {"squared-error-alone-seed3", "context-encoder-seed3"},
    "structure_style": {"pictures-alone-seed3", "structure-then-style-seed3"},
    "digits_tokenizer": {
        f"{name}-seed3" for name in ("L1-alone", "and-an-adversary", "codebook-revived", "codebook-by-gradient")
    },
    "seqgan": {"first-seed3", "maximum-likelihood-seed3", "SeqGAN-seed3"},
    "maskgan": {"first-seed3", "maximum-likelihood-seed3", "MaskGAN-seed3"},
    "gumbel": {f"{name}-seed3" for name in ("maximum-likelihood", "soft", "soft-with-noise", "straight-through")},
    "superresolution": {"first-seed3", "squared-error-alone-seed3", "SRGAN-seed3"},
    "perception_distortion": {"first-seed3", "squared-error-alone-seed3"},
    "digits_inversion": {"generator", "encoder-seed3", "e4e-0.1-seed3"},
    "motion_prior": {f"{name}-seed3" for name in ("motion-prior", "task-alone", "manner-alone", "cloning")},
    "texture": {"brick-seed3"},
    "ctgan": {"fair-seed3"},
    "adagan": {f"{name}-seed3" for name in ("component1", "component2", "classifier1", "apart2", "alone")},
    "mix_gan": {
        f"{name}-seed3"
        for name in ("apart0", "apart1", "alone", "entropy", "evenness", "fallen-entropy", "fallen-evenness")
    },
    "tones": {"WaveGAN-seed3", "no-shuffle-seed3"},
    "vibration": {"WaveGAN-seed3"},
    "speech_codec": {"no-adversary-seed3", "with-adversary-seed3"},
    "tones_vocoder": {"no-adversary-seed3", "with-adversary-seed3"},
    "voxels": {"VAE-seed3", "3D-GAN-seed3"},
    "moving_digits": {f"{name}-seed3" for name in ("square-error", "and-gradients", "and-game")},
    "grid_one_step": {
        f"{name}-seed3"
        for name in ("start", "weak", *(f"{t}-{a}" for t in ("exact", "weak") for a in ("alone", "adversary")))
    },
    "digits_one_step": {
        f"{name}-seed3" for name in ("teacher", "distribution-matching", "with-an-adversary", "score-identity")
    },
    "gail": {f"{name}-1-every{every}-seed3" for name in ("GAIL", "cloning") for every in (1, 20)},
    "turing_learning": {
        f"{behaviour}-{method}-seed3"
        for behaviour in ("autoregression", "line_of_sight")
        for method in ("Turing-Learning", "least-squares")
    },
}
TWO_SEEDS = {"modes", "remedies", "optimal_discriminator", "digits_semi", "stacked_digits"}


def test_they_are_listed(capsys):
    assert main([]) == 0
    listed = capsys.readouterr().out
    for name in TABLES:
        assert name in listed
        assert bundled(name).module.__doc__.splitlines()[0] in listed


@pytest.fixture
def few(monkeypatch):
    """Two rows of each kind of game: what compiles all of them is measured by the experiments themselves."""
    kept = {
        (modes, "methods"): ("vanilla", "packing 2"),
        (dirac, "methods"): ("minimax", "wgan-gp"),
        (remedies, "settling"): ("none, alternating steps", "mean of all iterates"),
        (remedies, "steep"): ("none (minimax)", "minimax + instance noise, std 3"),
    }
    for (module, function), names in kept.items():
        whole = getattr(module, function)
        monkeypatch.setattr(
            module, function, lambda *a, whole=whole, names=names: {name: whole(*a)[name] for name in names}
        )


# Half a minute of compilation each; what they are made of is tested by itself.
LONG = {
    "adagan",
    "avb",
    "cogan",
    "digits_aae",
    "digits_bigan",
    "digits_vaegan",
    "disco",
    "domain_adversarial",
    "lapgan",
    "progressive",
    "remedies",
    "simgan",
    "structure_style",
    "truncation",
    "ctgan",
    "digits_tokenizer",
    "digits_inversion",
    "digits_one_step",
    "grid_one_step",
    "denoising_diffusion",
    "digits_add",
    "gail",
    "gumbel",
    "maskgan",
    "mix_gan",
    "motion_prior",
    "moving_digits",
    "perception_distortion",
    "projected",
    "seqgan",
    "speech_codec",
    "texture",
    "tones",
    "tones_vocoder",
    "turing_learning",
    "unpaired_glyphs",
    "vibration",
    "voxels",
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in TABLES])
def test_smoke(name, few, tmp_path, capsys):
    assert main([name, "--smoke", "--seed", "3", "--out", str(tmp_path), "--id", "run"]) == 0
    folder = tmp_path / name / "run"
    page = json.loads((folder / "table.json").read_text(), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert page["experiment"] == name
    assert page["command"].startswith(f"python -m experiments {name} --seed 3")
    assert page["config"]["seed"] == 3
    assert page["seeds"] == ([3, 4] if name in TWO_SEEDS else [3])
    assert {"jax", "flax", "optax"} <= set(page["environment"]["versions"])
    assert len(page["tables"]) == len(COLUMNS[name])
    for table, columns, first in zip(page["tables"], COLUMNS[name], FIRST[name], strict=True):
        assert all(set(row) == columns for row in table["rows"])
        if first:
            assert [next(iter(row.values())) for row in table["rows"]] == first
        for row in table["rows"]:
            for cell in row.values():
                assert not isinstance(cell, list) or len(cell) == len(page["seeds"])
        assert table["title"]
        assert table["note"]
        assert table["seconds"] >= 0
    members = MEMBERS.get(name, set())
    assert page["members"] == sorted(members)
    assert {path.name for path in folder.iterdir()} == {"table.json", "report.html", "lock"} | PICTURES[name] | members
    assert all(escape(table["title"]) in (folder / "report.html").read_text() for table in page["tables"])
    for member in members:
        summary = json.loads((folder / member / "summary.json").read_text())
        assert (summary["status"], summary["skipped_steps"]) == ("finished", 0)
        assert (folder / member / "report.html").exists()
    printed = capsys.readouterr().out
    assert all(table["title"] in printed for table in page["tables"])
    assert str(folder) in printed.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dirc"], "did you mean 'dirac'?"),
        (["modes", "--methods", "vanila"], "'vanila', which is none of vanilla, unrolled 5"),
        (["modes", "--seeds", "1"], "--seeds must be at least 2; got 1"),
        (["modes", "--data", "circle"], "--data"),
        (["modes", "--steps", "-1"], "--steps must be at least 0"),
        (["remedies", "--dirac-steps", "0"], "--dirac-steps must be at least 4"),
        (["dirac", "--learning-rate", "0"], "--learning-rate must be positive; got 0"),
        (["optimal_discriminator", "--distances", "1,9"], "numbers in (0, 8] with commas between; got '1,9'"),
        (["optimal_discriminator", "--steps", "0"], "--steps must be at least 1; got 0"),
        (["digits_semi", "--labels", "105"], "--labels must be a multiple of 10; got 105"),
        (["digits_semi", "--labels", "50"], "--batch-size 100 is larger than the 50 labelled examples"),
        (["digits_features", "--labels", "100,many"], "--labels must be numbers in 10..4000"),
        (["digits_latent", "--steps", "0"], "--steps must be at least 1; got 0"),
        (["lapgan", "--seeds", "0"], "--seeds must be at least 1; got 0"),
        (["progressive", "--steps", "1"], "--steps must be at least 2; got 1"),
        (["truncation", "--crossing", "0"], "--steps and --crossing must be at least 1; got 4000 and 0"),
        (["stacked_digits", "--batch-size", "10"], "--batch-size must be a multiple of 4, the largest pack; got 10"),
        (["glyph_text", "--features", "0"], "--features must be at least 1; got 0"),
        (["glyph_where", "--batch-size", "1"], "--batch-size must be at least 2; got 1"),
        (["glyph_stack", "--conditioning", "0"], "--conditioning must be at least 1; got 0"),
        (["projected", "--size", "32"], "--size must be 64 or 96 and --scales 1 to 4; got 32 and 4"),
        (["denoising_diffusion", "--chain", "2"], "--chain must be at least 3; got 2"),
        (["digits_add", "--width", "0"], "--width must be at least 1; got 0"),
        (["digits_bigan", "--grid-width", "0"], "--grid-width must be at least 1; got 0"),
        (["digits_aae", "--labels", "5"], "--labels must be a multiple of 10; got 5"),
        (["cogan", "--judge-steps", "0"], "--judge-steps must be at least 1; got 0"),
        (["domain_adversarial", "--digit-steps", "0"], "--digit-steps must be at least 1; got 0"),
        (["simgan", "--alone", "-1"], "--alone must be at least 0; got -1"),
        (
            ["density_ratio", "--distances", "1,9"],
            "--distances must be numbers in (0, 8] with commas between; got '1,9'",
        ),
        (["density_ratio", "--correlations", "1"], "--correlations must be numbers in (-1, 1)"),
        (["avb", "--contrast", "1"], "--contrast must be at least 2; got 1"),
        (["digits_vaegan", "--latent", "0"], "--latent must be at least 1; got 0"),
        (["edges_to_glyphs", "--layers", "0"], "--layers must be at least 1; got 0"),
        (["unpaired_glyphs", "--pool", "8"], "--pool must be at least --batch-size 16; got 8"),
        (["disco", "--features", "0"], "--features must be at least 1; got 0"),
        (["inpainting", "--hole", "26"], "--hole must be even and at most 24; got 26"),
        (["perception_distortion", "--weights", "0"], "--weights must be different numbers > 0 with commas between"),
        (["digits_inversion", "--weights", "1,1"], "numbers > 0 with commas between; got '1,1'"),
        (["motion_prior", "--rollouts", "0"], "--rollouts must be at least 1; got 0"),
        (["superresolution", "--steps", "0"], "--steps must be at least 1; got 0"),
        (["ctgan", "--batch-size", "25"], "--batch-size must be a multiple of --pack 10; got 25"),
        (["adagan", "--components", "1"], "--components must be at least 2; got 1"),
        (["mix_gan", "--count", "1"], "--count must be at least 2; got 1"),
        (["tones", "--length", "128"], "--length must be at least 256; got 128"),
        (["speech_codec", "--length", "520"], "--length must be a multiple of 16 up to 2048; got 520"),
        (
            ["tones_vocoder", "--features", "12"],
            "--length must be a multiple of 64 and --features of 8; got 1024 and 12",
        ),
        (["vibration", "--n-critic", "0"], "--n-critic must be at least 1; got 0"),
        (["digits_tokenizer", "--features", "0"], "--features must be at least 1; got 0"),
        (["seqgan", "--sequences", "10"], "--sequences must be at least 192; got 10"),
        (["maskgan", "--share", "0"], "--share must be in (0, 1]; got 0"),
        (["gumbel", "--cold", "0"], "--warm and --cold must be positive; got 5.0 and 0"),
        (["texture", "--methods", "sand"], "'sand', which is none of brick, grass, gravel"),
        (["voxels", "--batch-size", "5000"], "--batch-size must be at most --training 4000; got 5000"),
        (["moving_digits", "--scales", "5"], "--scales must be at most 4, from 4x4 pixels on; got 5"),
        (["grid_one_step", "--weak-steps", "0"], "--weak-steps must be at least 1; got 0"),
        (["digits_one_step", "--teacher-steps", "0"], "--teacher-steps must be at least 1; got 0"),
        (["gail", "--trajectories", "0"], "--trajectories must be numbers >= 1 with commas between; got '0'"),
        (["gail", "--task", "juggling"], "--task has 'juggling', which is none of pendulum, point_mass"),
        (["turing_learning", "--population", "1"], "--population must be at least 2; got 1"),
        (["dirac", "--stps", "4"], "--stps"),
        (["dirac", "--id", "../elsewhere"], "is not a run's name"),
    ],
)
def test_bad_input_is_one_line(words, says, tmp_path, capsys):
    assert main([*words, *(["--out", str(tmp_path / "runs")] if len(words) > 1 else [])]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_every_verdict_and_radius_is_the_papers(tmp_path):
    (table,) = dirac.tabulate(dirac.Config(), tmp_path)
    assert len(table.rows) == 19
    for row in table.rows:
        assert row["verdict"] == row["expected"], row
        if row["theory"]:
            measured, theory = float(row["spectral radius"]), float(row["theory"])
            # noise leaves the mean of its draws
            assert measured == pytest.approx(theory, abs=2e-3 if row["method"] == "instance noise" else 2e-4), row


def test_only_remedies_reach_the_equilibrium():
    rows = {row["remedy"]: row for row in remedies.convergence(remedies.Config()).rows}
    assert rows["none, simultaneous steps"]["verdict"] == "diverges"
    assert rows["none, alternating steps"]["verdict"] == "circles"
    for name in ("r1, gamma 1", "r2, gamma 1", "consensus, weight 1", "symplectic, weight 1", "unrolled 5"):
        assert rows[name]["distance"] < 1e-6, name
    for name in ("extragradient", "optimistic", "lookahead, 5 steps", "mean of all iterates"):
        assert rows[name]["distance"] < 0.25, name


def test_the_probe_is_the_generators_gradient():
    """Minimax against a discriminator that knows nothing yet, and the same loss with its gradient by hand."""
    game, measure = remedies.standing(remedies.steep()["none (minimax)"], 8)
    x = jax.random.normal(jax.random.key(1), (16, 2))
    state = game.init(jax.random.key(0), {"x": x})
    measured = measure(jax.tree.map(lambda leaf: leaf[None], state), x[None])

    networks = {
        "generator": jg.networks.mlp.Generator(hidden=(8, 8), activation=jax.numpy.tanh),
        "discriminator": jg.networks.mlp.Discriminator(hidden=(8, 8), activation=jax.numpy.tanh),
    }
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), name_index("player generator"))
    z = jg.priors.normal(8)(jax.random.fold_in(jax.random.fold_in(key, 0), name_index("latent")), 16)

    def loss(params):
        logits = networks["discriminator"].apply(
            {"params": state.params["discriminator"]}, networks["generator"].apply({"params": params}, z)
        )
        return -jax.numpy.mean(jax.nn.softplus(logits))

    expected = optax.tree.norm(jax.grad(loss)(state.params["generator"]))
    assert 10 ** measured[0] == pytest.approx(float(expected), rel=1e-4)
    stepped, _ = game.train_step(state, {"x": x})
    for before, after in zip(
        jax.tree.leaves(state.params["generator"]), jax.tree.leaves(stepped.params["generator"]), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_cells():
    assert formatted("circles") == "circles"
    assert formatted(0.12345) == "0.123"
    assert formatted([7.0, 7.0]) == "7 [7, 7]"
    assert formatted([1.0, math.inf]).startswith("nan")
    assert markdown([{"a": 1.0, "b": "x"}]) == "| a | b |\n| --- | --- |\n| 1 | x |"
