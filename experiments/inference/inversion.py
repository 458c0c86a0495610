"""From a digit back to the styles that draw it, and to another digit: e4e beside encoders and optimisation of styles.

Tov et al. 2021 in small: a StyleGAN2 of digits of 16x16 pixels is trained first and kept in the folder; it never moves
again. An encoder learns one style of a digit and small offsets for the further layers, from pixels and from features of
a frozen network; with a discriminator of styles (e4e, of two weights) or without. The baselines have nothing to learn:
Adam on the styles of each digit, all layers' own or one for all. Distortion: squared error of a pixel of 500 held-out
digits. Editability: to the styles is added what the mean style of another digit differs by from that of this one, and
a classifier, which nothing was trained by, should read the other digit.

Command: python -m experiments digits_inversion --seeds 3
Takes: a few minutes for the generator and one for each encoder on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.metrics.classifier import Classifier, Network
from jaxgan.networks import encoders, heads, mlp, stylegan2
from jaxgan.networks.pretrained import Pretrained
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, numbers
from jaxgan.types import Game, averages_in_place

SIDE, CLASSES, SHOWN = 16, 10, 10
LAYERS = 2 * 3  # of a generator of 4, 8 and 16 pixels
DRAWN = 4000  # samples whose styles give the mean style of each digit


@dataclass(frozen=True)
class Config:
    """Inversion of a StyleGAN2 of digits."""

    seed: int = 0  # the first; of encoders and their discriminators
    seeds: int = 1  # runs of each encoder
    generator_seed: int = 0  # of the generator, the same for all
    generator_steps: int = 3000  # train steps of the generator
    steps: int = 2000  # train steps of an encoder
    batch_size: int = 32  # digits a step
    features: int = 8  # channels of the generator's largest maps
    style: int = 32  # width of z and of a style
    weights: str = "0.03,0.1"  # of an encoder's loss against the discriminator of styles, one row each
    content: float = 0.01  # of the squared distance in features
    delta: float = 2e-4  # of the norms of the offsets
    gamma: float = 1.0  # of R1 on the discriminator of styles, paid at every 4th step
    learning_rate: float = 2e-3  # Adam's, of encoders
    discriminator_rate: float = 1e-3  # Adam's
    edit: float = 1.5  # how many times the difference of two digits' mean styles is added
    inverted: int = 500  # held-out digits
    projection: int = 300  # steps of the optimisation of styles
    judge_steps: int = 800  # training steps of either classifier


SMOKE = {
    "generator_steps": 2,
    "steps": 2,
    "batch_size": 8,
    "features": 2,
    "style": 4,
    "inverted": 20,
    "projection": 2,
    "judge_steps": 2,
    "weights": "0.1",
}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, generator_steps=1, steps=1, batch_size=2, features=1, style=1, inverted=SHOWN)
    at_least(config, projection=1, judge_steps=1)
    _weights(config)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws ten digits, what each method makes of them, and what they are edited to."""
    judge, other = _classifiers(config, folder)
    generator = _generator(config, folder)
    means = _mean_styles(config, generator, judge)
    test = _digits("test")
    chosen = np.linspace(0, len(test["x"]) - 1, config.inverted).astype(int)
    x, y = test["x"][chosen], test["y"][chosen]
    figured = functools.partial(_figures, config, generator, means, judge, x, y)
    rows: dict[str, list[dict[str, float]]] = {}
    drawing = [x[: SHOWN * (len(x) // SHOWN) : len(x) // SHOWN][:SHOWN]]
    every = slice(0, SHOWN * (len(x) // SHOWN), len(x) // SHOWN)
    for name, game in _games(config, generator, other).items():
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, _source(), seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
            w = np.asarray(jg.sample(game, state, jax.random.key(seed), x=x)["w"])
            figures, made, edited = figured(w)
            rows.setdefault(name, []).append(figures)
            print(f"{name}, seed {seed}: {figures}", flush=True)
            if seed == config.seed:
                drawing += [made[every], edited[every]]
    for name, layers in {"styles optimised": LAYERS, "one style optimised": 1}.items():
        figures, made, edited = figured(_projected(config, generator, x, layers))
        rows[name] = [figures]
        drawing += [made[every], edited[every]]
    draw_images(folder / "samples.png", np.concatenate(drawing))
    note = (
        f"{len(x)} held-out digits of {SIDE}x{SIDE}: mean squared error of a pixel drawn again, share that is read as "
        f"the digit that it is, and as the next one after {config.edit:g} times the difference of mean styles was "
        f"added; distance of the styles from the nearest of {DRAWN} of the mapping's, over another's of those; "
        f"encoders after {config.steps} steps of {config.batch_size}, {config.seeds} seeds from "
        f"{config.seed}; optimisation in {config.projection} steps of Adam. The picture's rows: digits; of each method "
        "what it draws again, and that edited"
    )
    table: list[dict[str, Cell]] = [
        {"inverted by": name, **{column: [each[column] for each in several] for column in several[0]}}
        for name, several in rows.items()
    ]
    yield Table("Distortion and editability of digits", note, table)


@functools.cache
def _digits(split: str) -> dict[str, np.ndarray]:
    """All digits of a split, "x" [N, 16, 16, 1] in [-1, 1] and "y" [N]: means of 2x2 pixels."""
    whole = {name: np.asarray(value) for name, value in jg.data.whole(jg.data.digits(split, size=2 * SIDE)).items()}
    halved = whole["x"].reshape(-1, SIDE, 2, SIDE, 2, 1).mean(axis=(2, 4), dtype=np.float32)
    return {"x": halved, "y": whole["y"]}


def _source() -> Source:
    return jg.data.arrays(_digits("train")["x"], name="digits of 16x16")


class Eye(nn.Module):
    """Digits -> the 64 features of a classifier."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Looks at every digit."""
        features: Array = Network(CLASSES, name="classifier")(x)[0]
        return features


def _classifiers(config: Config, folder: Path) -> tuple[Classifier, Classifier]:
    """Trains the judge and the network of features, from different seeds, or reads those that the run has."""
    made, train, test = [], _digits("train"), _digits("test")
    for number, name in enumerate(("judge", "features")):
        path = folder / f"{name}.npz"
        if not path.exists():
            key = jax.random.key(number)
            metrics.save_classifier(metrics.train_classifier(train["x"], train["y"], key, config.judge_steps), path)
        made.append(metrics.load_classifier(path))
        right = metrics.accuracy(made[-1], test["x"], test["y"])
        print(f"{name}: a classifier that reads {right:.1%} of the held-out digits rightly", flush=True)
    return made[0], made[1]


def _generator(config: Config, folder: Path) -> Pretrained:
    """Trains the generator, as a run below this one's folder, and fixes its average."""
    widths: dict[str, Any] = {"size": SIDE, "features": config.features, "max_features": 4 * config.features}
    hidden = (config.style, config.style)
    network = stylegan2.Generator(channels=1, hidden=hidden, **widths)
    system = jg.systems.stylegan2(
        prior=jg.priors.normal(config.style),
        optimizer=optax.adam(3e-3, b1=0.0, b2=0.99),
        penalty=jg.penalties.every(4, jg.penalties.r1(1.0)),
        path_every=8,
    )
    networks = {"generator": network, "discriminator": stylegan2.Discriminator(**widths)}
    game = jg.game(networks, system, ema={"generator": 0.99})
    training = Training(game, _source(), config.generator_seed, config.generator_steps, 16)
    state = averages_in_place(train_member(folder / "generator", training).state)
    variables = {"params": state.params["generator"], **state.model_state["generator"]}
    return jg.networks.pretrained(network, variables)


def _drawer(generator: Pretrained, method: str) -> Callable[[Any], Array]:
    """Returns the generator's half, compiled."""
    return jax.jit(lambda w: generator.apply(generator.variables, w, method=method, train=False))


def _mean_styles(config: Config, generator: Pretrained, judge: Classifier) -> np.ndarray:
    """Returns the mean style [10, W] of each digit, by what samples are read as; of a digit that is none, of all."""
    z = jg.priors.normal(config.style)(jax.random.key(11), DRAWN)
    w = _drawer(generator, "mapping")(z)
    read = np.argmax(_read(judge, _pictures(generator, np.asarray(w))), axis=1)
    print(f"samples read as each digit: {np.bincount(read, minlength=CLASSES).tolist()}", flush=True)
    styles = np.asarray(w)[:, 0]
    return np.stack([styles[read == c].mean(axis=0) if np.any(read == c) else styles.mean(axis=0) for c in range(10)])


def _pictures(generator: Pretrained, w: np.ndarray) -> np.ndarray:
    draw = _drawer(generator, "synthesis")
    return np.clip(np.concatenate([np.asarray(draw(part)) for part in np.array_split(w, -(-len(w) // 500))]), -1, 1)


def _read(judge: Classifier, x: np.ndarray) -> np.ndarray:
    return metrics.probabilities(judge, x)


def _weights(config: Config) -> list[float]:
    return numbers(config, "weights", "different numbers > 0", lambda w: min(w) > 0 and len(set(w)) == len(w))


def _games(config: Config, generator: Pretrained, features: Classifier) -> dict[str, Game]:
    eye = jg.networks.pretrained(Eye(), {"params": {"classifier": features.variables["params"]}})
    adam = functools.partial(optax.adam, b1=0.9, b2=0.99)
    rate = optax.cosine_decay_schedule(config.learning_rate, config.steps, alpha=0.05)

    def game(weight: float) -> Game:
        body = heads.Convolutional(features=2 * config.features, stages=2)
        networks: dict[str, Any] = {"encoder": encoders.Styles(body, LAYERS, config.style)}
        networks |= {"generator": generator, "features": eye}
        optimizers = {"encoder": adam(rate)}
        if weight:
            networks["discriminator"] = mlp.Discriminator((64, 64, 64))
            networks["pool"] = jg.networks.remedies.Replay(max(50, config.batch_size))
            optimizers["discriminator"] = adam(config.discriminator_rate)
        system = jg.systems.inversion(
            loss=jg.losses.non_saturating,
            prior=jg.priors.normal(config.style),
            optimizer=optimizers,
            weight=weight,
            content=config.content,
            delta=config.delta,
            stages=(config.steps // 4, max(1, config.steps // 16)),
            penalty=jg.penalties.every(4, jg.penalties.r1(config.gamma)) if weight else None,
            replay="pool" if weight else None,
        )
        return jg.game(networks, system, ema={"encoder": 0.99})

    return {"encoder": game(0.0)} | {f"e4e {weight:g}": game(weight) for weight in _weights(config)}


def _projected(config: Config, generator: Pretrained, x: np.ndarray, layers: int) -> np.ndarray:
    """Returns styles [n, 6, W] that Adam finds from the mean style: of every layer its own, or one for all."""
    mean = np.asarray(generator.variables["average"]["w"])
    start = jnp.asarray(np.tile(mean, (len(x), layers)))

    def styles(flat: Array) -> Array:
        return jnp.broadcast_to(flat.reshape(len(x), layers, config.style), (len(x), LAYERS, config.style))

    def draw(flat: Array) -> Any:
        return generator.apply(generator.variables, styles(flat), method="synthesis", train=False)

    found = jg.samplers.project(draw, jnp.asarray(x), start, steps=config.projection)
    return np.asarray(styles(found.z))


def _figures(
    config: Config,
    generator: Pretrained,
    means: np.ndarray,
    judge: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Measures styles [n, 6, W] of digits; returns the figures, the digits drawn again and the edited ones."""
    target = (y + 1) % CLASSES
    made = _pictures(generator, w)
    edited = _pictures(generator, w + config.edit * (means[target] - means[y])[:, None])
    z = jg.priors.normal(config.style)(jax.random.key(12), DRAWN)
    known = np.asarray(_drawer(generator, "mapping")(z))[:, 0]
    figures = {
        "squared error": float(np.mean(np.square(made - x))),
        "read rightly": float(np.mean(np.argmax(_read(judge, made), axis=1) == y)),
        "edited": float(np.mean(np.argmax(_read(judge, edited), axis=1) == target)),
        "distance of styles": _nearest(w.reshape(-1, w.shape[-1])[:: LAYERS + 1], known)
        / _nearest(known[: DRAWN // 8], known[DRAWN // 8 :]),
    }
    return figures, made, edited


def _nearest(w: np.ndarray, known: np.ndarray) -> float:
    """Returns the mean distance of styles from the nearest that is known."""
    squares = np.sum(w**2, axis=1)[:, None] + np.sum(known**2, axis=1) - 2 * w @ known.T
    return float(np.mean(np.sqrt(np.maximum(squares.min(axis=1), 0))))
