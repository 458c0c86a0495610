"""What ails a game: rules from measurements and recorded figures to findings, each with its evidence and remedies.

Every rule is a pure function of a `Case`. Thresholds stand above the rules, each with its reason; they are coarse on
purpose, since a rule that speaks up in health is soon ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from jaxgan.diagnose.measure import Logits, Measurements
from jaxgan.diagnose.record import RECENT, History, median, periodicity, recent, separation
from jaxgan.guard import SKIPPED

LEAST_ROWS = 12  # rows below which a trend is no trend

HUGE = 100.0  # a mean loss or logit: beyond 88 a sigmoid is 0 or 1 in float32, and no loss here has such values in rest
SKIPS = 3  # skipped updates of late; one may be the fault of a broken example
GROWTH = 3.0  # recent size against that of the second quarter of the run; a rescaled but settled game does not grow
EXPLODED = 1e4  # a loss, logit or norm of a gradient that nothing of order 1 leads to, growing or not

ROWS_OF_A_PERIOD = 48  # rows that a spectrum needs
SWING = 0.1  # standard deviation of the generator's loss relative to its mean; minibatches alone move it by some 3 %

SEPARATED = 0.95  # probability that real outscores fake; in training that goes well it is around 0.5 to 0.9
PASSED = 0.1  # share of the discriminator's slope that the generator's loss passes on; non-saturating: 0.5 to 1
WON = 0.1  # the discriminator's loss, without penalty, where nothing is left to learn: 7 % of the logistic 2 log 2
APART = 0.9  # mean real - mean fake logit there; the least of all losses is 1, of least squares

SAME = 0.3  # spread of samples against real data's: an ordinary good game has 0.9 to 1.1
MISSING = 0.3  # share of real data that samples avoid; every rare group of a good game together is below 0.1
REPEATED = 0.15  # birthday batch against real data's: pairs of samples coincide 44 times as often
LOST = 0.6  # of the best recall, modes or classes so far; below, they are falling and not fluctuating

COPIED = 0.5  # distance to the nearest training example against unseen data's; smoothness alone gives 0.7 to 1

FROZEN = 0.99  # share of statistics that do not move at all
CONSTANT = 0.5  # share of channels without variance, or switched off
DEAD = 0.9  # share of a layer's units without gradient: half of a ReLU layer may rest on one minibatch and be well

VARIED = ("quality/recall", "quality/modes", "quality/classes", "quality/coverage")  # higher is more variety


class Finding(NamedTuple):
    """One failure, named."""

    name: str
    evidence: str  # a sentence with the numbers
    remedies: tuple[str, ...]  # to try, by their names in this library
    severity: Literal["fatal", "serious"]  # fatal: more training is in vain


class Case(NamedTuple):
    """All that is known of a game."""

    measured: Measurements | None
    history: History


REMEDIES = {
    "divergence": ("penalties.r1", "penalties.gradient_penalty", "optimizers.clip_weights", "a lower learning rate"),
    "dead normalisation": (
        "networks.dcgan.Generator(momentum=0.9)",
        "networks.virtual.VirtualBatchNorm",
        "a lower learning rate",
    ),
    "overpowering discriminator": (
        "losses.non_saturating",
        "augment.instance_noise",
        "losses.smoothed",
        "penalties.r1",
        "systems.gan(n_critic=1)",
    ),
    "memorisation": ("more training data", "augment.diffaugment", "augment.ada", "a smaller network"),
    "oscillation": (
        "penalties.r1",
        "dynamics.consensus",
        "dynamics.extragradient",
        "game(ema=...)",
        "a discriminator that learns faster",
    ),
    "mode collapse": (
        "networks.remedies.Packed",
        "penalties.r1",
        "dynamics.unrolled",
        "losses.relativistic",
        "augment.instance_noise",
    ),
}


def diagnose(measured: Measurements | None, history: History) -> list[Finding]:
    """Names what ails a game; nothing in health.

    Args:
      measured: from `examine`, or None: then the history alone is judged.
      history: what the run recorded so far, as `report.read_metrics` reads it; may be empty.
    Returns:
      Findings, causes before what they bring about: the first is what to mend first.
    """
    case = Case(measured, history)
    findings = [rule(case) for rule in RULES]
    return [finding for finding in findings if finding]


def divergence(case: Case) -> Finding | None:
    """Non-finite or skipped updates, losses or logits that are huge and grow, or gradients that exploded."""
    evidence = []
    last = max((steps[-1] for steps, _ in case.history.values() if steps), default=0)
    skipped = [step for step in case.history.get(SKIPPED, ((), ()))[0] if step > (1 - RECENT) * last]
    if len(skipped) >= SKIPS:
        evidence.append(f"{len(skipped)} updates were not finite and were skipped, the last at step {skipped[-1]}")
    for name, (steps, values) in case.history.items():
        bad = [step for step, value in zip(steps, values, strict=True) if not math.isfinite(value)]
        if bad:
            evidence.append(f"{name} is not finite at step {bad[0]} and {len(bad) - 1} more rows")
        elif name.endswith(("/loss", "_logits")) and len(values) >= LEAST_ROWS:
            size = np.abs(values)
            now, then = median(recent(size)), median(size[len(size) // 4 : len(size) // 2])
            if now > EXPLODED or (now > HUGE and now > GROWTH * then):
                evidence.append(f"the size of {name} went from {then:.3g} to {now:.3g}")
    if case.measured:
        numbers = case.measured.gradients | {f"{n} parameters": x for n, x in case.measured.parameters.items()}
        evidence += [f"the norm of {name} is {x}" for name, x in numbers.items() if not math.isfinite(x)]
        exploded = {name: x for name, x in case.measured.gradients.items() if math.isfinite(x) and x > EXPLODED}
        evidence += [f"the gradient of the {name} has norm {x:.3g}" for name, x in exploded.items()]
    return _finding("divergence", evidence, "fatal")


def dead_normalisation(case: Case) -> Finding | None:
    """Statistics that never move or have no variance, channels that are switched off, units without gradient."""
    evidence = []
    for name, statistics in (case.measured.normalisation if case.measured else {}).items():
        if statistics.frozen >= FROZEN:
            evidence.append(f"training leaves all running statistics of the {name} as they are")
        if statistics.constant >= CONSTANT:
            evidence.append(f"{statistics.constant:.0%} of the {name}'s normalised channels have no variance")
        if statistics.switched_off >= CONSTANT:
            evidence.append(f"{statistics.switched_off:.0%} of the {name}'s normalised channels have a scale near 0")
        if statistics.dead >= DEAD:
            evidence.append(f"{statistics.dead:.0%} of the units of a layer of the {name} get no gradient")
    return _finding("dead normalisation", evidence, "fatal")


def overpowering_discriminator(case: Case) -> Finding | None:
    """Real and fake are told apart almost always, and little of that reaches the generator.

    Measured: the share of the discriminator's slope that the generator's loss passes on. Recorded: the discriminator's
    loss has come to its end while the logits are apart; a critic's loss falls without end and is not meant.
    """
    evidence = []
    logits = case.measured.logits if case.measured else None
    if case.measured and logits and logits.separation >= SEPARATED and logits.passed <= PASSED:
        gradient = case.measured.gradients["generator"]
        evidence.append(
            f"{_scores_apart(logits)}, and the generator's loss passes on {logits.passed:.2g} of the discriminator's "
            f"slope: its gradient has norm {gradient:.2g}"
        )
    loss, margin = separation(case.history)
    if len(loss) >= LEAST_ROWS:
        now, apart = median(recent(loss)), median(recent(margin))
        if abs(now) < WON and apart > APART:
            evidence.append(f"the discriminator's loss is down to {now:.2g}, real logits {apart:.3g} above fake ones")
    return _finding("overpowering discriminator", evidence, "serious")


def memorisation(case: Case) -> Finding | None:
    """Samples lie much nearer to training examples than real data that were not trained on."""
    nearness = case.measured.variety.nearness if case.measured and case.measured.variety else None
    evidence = []
    if nearness is not None and nearness < COPIED:
        evidence.append(f"samples are {nearness:.2g} times as far from the nearest training example as unseen data are")
    return _finding("memorisation", evidence, "serious")


def oscillation(case: Case) -> Finding | None:
    """The generator's loss swings with a period of its own, widely, to this day."""
    evidence = []
    for name in ("generator/loss", "discriminator/loss"):
        steps, values = (np.asarray(x, np.float64) for x in case.history.get(name, ((), ())))
        late = recent(values)
        if len(late) < ROWS_OF_A_PERIOD or not np.isfinite(late).all():
            continue
        rows, share, bound = periodicity(late)
        swing = float(late.std() / max(abs(late.mean()), 1e-12))
        if share >= bound and swing >= SWING:
            period = rows * float(np.median(np.diff(steps)))
            evidence.append(
                f"{name} swings by {swing:.0%} with a period of about {period:.0f} steps, "
                f"which holds {share:.0%} of its variance"
            )
    return _finding("oscillation", evidence, "serious")


def mode_collapse(case: Case) -> Finding | None:
    """Samples are alike, avoid part of the data, or repeat themselves; or recall, modes or classes fell."""
    evidence = []
    variety = case.measured.variety if case.measured else None
    if variety:
        if variety.spread < SAME:
            evidence.append(f"two samples are {variety.spread:.2g} times as far apart as two real examples")
        if variety.missing > MISSING:
            evidence.append(f"samples avoid {variety.missing:.0%} of the real data ({variety.groups} groups)")
        if variety.birthday < REPEATED:
            evidence.append(f"two near duplicates are in {variety.birthday:.2g} times as many samples as real examples")
    for name in VARIED:
        values = np.asarray(case.history.get(name, ((), ()))[1], np.float64)
        if len(values) >= 3 and values[-1] < LOST * values.max() and values[-2] < LOST * values.max():
            evidence.append(f"{name} fell from {values.max():.3g} to {values[-1]:.3g}")
    return _finding("mode collapse", evidence, "serious")


RULES: tuple[Callable[[Case], Finding | None], ...] = (
    divergence,
    dead_normalisation,
    overpowering_discriminator,
    memorisation,
    oscillation,
    mode_collapse,
)


def _finding(name: str, evidence: Sequence[str], severity: Literal["fatal", "serious"]) -> Finding | None:
    return Finding(name, "; ".join(evidence), REMEDIES[name], severity) if evidence else None


def _scores_apart(logits: Logits) -> str:
    return (
        f"the discriminator scores real above fake {logits.separation:.1%} of the time (right on "
        f"{logits.real_accuracy:.0%} of real and {logits.fake_accuracy:.0%} of fake)"
    )
