"""Letters of one font into another without pairs: what there and back again adds to a game alone.

CycleGAN (Zhu et al. 2017, eq. 3 and table 4's ablation): a are ten letters, moved, turned and scaled a little, in one
font, bright on dark, b others in another font, dark on bright, no letter drawn in both. Figures are of 1,000 held-out
letters drawn alike in both fonts, pairs that only the judge knows: how often a classifier of the second font reads a's
letter in its translation, how often under the best one-to-one relation of letters (as good to the objective, though
another), L1 to the true partner, L1 there and back, and the same where normal noise of deviation 0.05 is added on the
way: a translation that hides what it needs to come home (Chu, Zhmoginov, Sandler 2017) does not survive it.

Command: python -m experiments unpaired_glyphs --seeds 3
Takes: about six minutes a seed on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.optimize import linear_sum_assignment

import jaxgan as jg
from jaxgan import metrics
from jaxgan.networks import patch, translators
from jaxgan.networks.remedies import Replay
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems import cyclegan
from jaxgan.types import Game, Network

LETTERS = "ABCEHKOSTX"
FONTS = {"a": "DejaVuSans.ttf", "b": "STIXGeneralBolIta.ttf"}  # which matplotlib carries
SIZE, DRAWN = 16, 64  # sides of the pictures, and of what they are reduced from
EXAMPLES, HELD_OUT = 2000, 1000
NOISE = 0.05  # deviation of what is added to a translation on its way home


@dataclass(frozen=True)
class Config:
    """Letters in two fonts."""

    seed: int = 0  # the first; of parameters, pools and data order
    seeds: int = 1  # runs of each method
    steps: int = 1500  # train steps
    batch_size: int = 16  # letters of each font a step
    features: int = 8  # channels of the translators' first maps
    blocks: int = 2  # of a translator
    judge_features: int = 16  # channels of the discriminators' first maps
    cycle: float = 10.0  # lambda
    identity: float = 0.0  # of the identity term, as a share of lambda; 0 in the paper but for paintings
    pool: int = 64  # translations in each pool
    learning_rate: float = 2e-3  # Adam's, of all players
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.995  # decay of the averaged translators, per step
    judge_steps: int = 600  # training steps of the classifier that reads


SMOKE = {"steps": 3, "batch_size": 8, "features": 2, "blocks": 1, "judge_features": 2, "judge_steps": 4}
METHODS = ("there and back", "game alone")


@functools.cache
def letters(first: int, n: int, domain: str) -> np.ndarray:
    """Letters number first, first + 1, ... in a domain's font, letter k the one of k mod 10, [n, SIZE, SIZE, 1].

    Number k is moved, turned and scaled alike in both fonts; b is dark on bright.
    """
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font, pictures = ImageFont.truetype(folder / FONTS[domain], 48), np.zeros((n, SIZE, SIZE, 1), np.float32)
    for k in range(n):
        few = np.random.default_rng(first + k)
        page, (x, y) = Image.new("L", (DRAWN, DRAWN)), DRAWN / 2 + few.uniform(-6, 6, 2)
        angle, scale = np.radians(few.uniform(-10, 10)), few.uniform(0.9, 1.2)
        ImageDraw.Draw(page).text((DRAWN / 2, DRAWN / 2), LETTERS[(first + k) % 10], 255, font, anchor="mm")
        turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        shift = DRAWN / 2 - turn @ [x, y]
        placed = page.transform(page.size, Image.Transform.AFFINE, [*turn[0], shift[0], *turn[1], shift[1]], 2)
        pictures[k, ..., 0] = np.asarray(placed.resize((SIZE, SIZE), Image.Resampling.BOX))
    bright = 1 - pictures / 127.5 if domain == "b" else pictures / 127.5 - 1
    return bright.astype(np.float32)


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, blocks=1, judge_features=1, judge_steps=1)
    if config.pool < config.batch_size:
        raise ValueError(f"--pool must be at least --batch-size {config.batch_size}; got {config.pool}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws letters, their translations and their partners below each other."""
    real = {domain: letters(2 * EXAMPLES, HELD_OUT, domain) for domain in "ab"}
    train = {"a": letters(0, EXAMPLES, "a"), "b": letters(EXAMPLES, EXAMPLES, "b")}
    names = np.arange(HELD_OUT) % 10
    reader = metrics.train_classifier(train["b"], np.arange(EXAMPLES) % 10, jax.random.key(0), steps=config.judge_steps)
    source = jg.data.unpaired(**{domain: jg.data.arrays(x, name=FONTS[domain]) for domain, x in train.items()})
    nothing = dict.fromkeys(("home", "home with noise"), "")
    rows: list[dict[str, Cell]] = [
        {"method": "none: a itself", **_read(reader, real["a"], real["b"], names), **nothing}
    ]
    shown = [real["a"][:10]]
    for method in METHODS:
        game, figures = _game(config, method), list[dict[str, float]]()
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{method.replace(' ', '-')}-seed{seed}", training).state
            translate = functools.partial(jg.sample, game, state, jax.random.key(0))
            made = np.asarray(translate(a=real["a"]))
            noisy = made + NOISE * np.random.default_rng(seed).normal(size=made.shape).astype(np.float32)
            home = {"home": translate(b=made), "home with noise": translate(b=noisy)}
            errors = {name: float(jnp.mean(jnp.abs(x - real["a"]))) for name, x in home.items()}
            figures.append(_read(reader, made, real["b"], names) | errors)
            shown += [made[:10], np.asarray(home["home"])[:10]] if seed == config.seed else []
        rows.append({"method": method, **{name: [f[name] for f in figures] for name in figures[0]}})
    draw_images(folder / "samples.png", np.concatenate([*shown, real["b"][:10]]))
    right = metrics.accuracy(reader, real["b"], names)
    note = (
        f"{HELD_OUT} held-out letters of ten after {config.steps} steps of {config.batch_size}; the classifier reads "
        f"{right:.1%} of the true partners, chance is 10%; errors are mean absolute differences of pixels in [-1, 1], "
        f"noise has deviation {NOISE}; {config.seeds} seeds"
    )
    yield Table("One font into another, without pairs", note, rows)


def _read(reader: metrics.Classifier, made: np.ndarray, truth: np.ndarray, names: np.ndarray) -> dict[str, float]:
    """How translations are read, and how far they are from the true partners."""
    read = np.argmax(metrics.probabilities(reader, np.clip(made, -1, 1)), axis=1)
    counts = np.zeros((10, 10))
    np.add.at(counts, (names, read), 1)
    return {
        "class kept": float(np.mean(read == names)),
        "one to one": float(counts[linear_sum_assignment(-counts)].sum() / len(names)),
        "error to the partner": float(np.mean(np.abs(made - truth))),
    }


def _game(config: Config, method: str) -> Game:
    networks: dict[str, Network] = {"pool_a": Replay(config.pool), "pool_b": Replay(config.pool)}
    for name in ("a_to_b", "b_to_a"):
        networks[name] = translators.ResNet(1, config.features, config.blocks)
    judge = patch.Discriminator(config.judge_features, layers=2, normalization="instance")
    system = cyclegan(
        loss=jg.losses.least_squares,
        optimizer=optax.adam(config.learning_rate, b1=config.b1),
        cycle=config.cycle if method == "there and back" else 0.0,
        identity=config.identity,
        replay="pool",
    )
    networks |= {"discriminator_a": judge, "discriminator_b": judge}
    return jg.game(networks, system, ema={"a_to_b": config.ema, "b_to_a": config.ema})
