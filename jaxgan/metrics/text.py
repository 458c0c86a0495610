"""How good are generated sequences? Validity, laws of n-grams, likelihoods, and quality against diversity.

No single figure judges a text generator: one sentence, repeated, is valid and likely. So quality (validity, likelihood
of samples under a known law) stands beside diversity (likelihood of test data under the model, distinct samples,
distance of n-gram laws), and a method beside a model of maximum likelihood at every temperature.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike


class Validity(NamedTuple):
    """Shares in [0, 1] of a set of samples."""

    valid: float  # of samples that are accepted
    distinct: float  # distinct accepted ones, of all samples
    novel: float  # of accepted ones, those that are not training data; nan where none is accepted


def validity(
    samples: Sequence[str], accepts: Callable[[str], bool], training: frozenset[str] | set[str] = frozenset()
) -> Validity:
    """Counts samples that a language has: by its words, or by a parser.

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.validity(["ab", "ab", "ba", "bb"], {"ab", "ba"}.__contains__, {"ab"})
      Validity(valid=0.75, distinct=0.5, novel=0.3333333333333333)

    Args:
      samples: one or more.
      accepts: string -> whether the language has it.
      training: what was trained on.
    Returns:
      Validity.
    Raises:
      ValueError: there are no samples.
    """
    if not len(samples):
        raise ValueError("validity needs one sample or more")
    accepted = [sample for sample in samples if accepts(sample)]
    novel = sum(sample not in training for sample in accepted) / len(accepted) if accepted else float("nan")
    return Validity(len(accepted) / len(samples), len(set(accepted)) / len(samples), novel)


def ngram_divergence(a: ArrayLike, b: ArrayLike, n: int = 2) -> float:
    """Jensen-Shannon divergence of the laws of n-grams of two sets of sequences, in nats: 0 to log 2.

    All n tokens in a row count, at all places alike. Of finite sets it is biased upwards: compare with that of two sets
    of data of these sizes.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> round(jg.metrics.ngram_divergence(np.array([[0, 1]]), np.array([[1, 1]]), n=1), 4)
      0.2158

    Args:
      a: tokens [N, T] integers.
      b: tokens [M, T'].
      n: tokens in a row, >= 1.
    Returns:
      Divergence.
    Raises:
      ValueError: no tokens, or sequences shorter than n.
    """
    counts = [_ngrams(_tokens("ngram_divergence", x, n), n) for x in (a, b)]
    p, q = ({gram: count / sum(each.values()) for gram, count in each.items()} for each in counts)
    middle = {gram: (p.get(gram, 0) + q.get(gram, 0)) / 2 for gram in p.keys() | q.keys()}
    return sum(v / 2 * float(np.log(v / middle[gram])) for law in (p, q) for gram, v in law.items())


class NGrams(NamedTuple):
    """A model of sequences by counts: each token after the n - 1 before it, interpolated with shorter ones.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> model = jg.metrics.fit_ngrams(np.array([[0, 1, 0, 1]]), n=2, vocabulary=2)
      >>> likely, odd = (model.log_likelihood(np.array([row])).sum() for row in ([0, 1, 0], [0, 0, 0]))
      >>> bool(likely > odd)
      True
    """

    n: int
    vocabulary: int
    counts: Mapping[tuple[int, ...], float]  # of every run of 1 to n tokens, with -1 for what is before the first
    before: Mapping[tuple[int, ...], float]  # of every run that something follows

    def log_likelihood(self, tokens: ArrayLike) -> np.ndarray:
        """Returns log p of each token of [N, T] sequences, in nats: [N, T]."""
        rows = _tokens("log_likelihood", tokens, 1)
        padded = np.concatenate([np.full((len(rows), self.n - 1), -1), rows], axis=1)
        made = [[self._log(tuple(row[t : t + self.n])) for t in range(rows.shape[1])] for row in padded.tolist()]
        return np.array(made)

    def _log(self, gram: tuple[int, ...]) -> float:
        p = 1 / self.vocabulary
        for order in range(1, self.n + 1):  # each order's counts, and as many as there are tokens of the last one's law
            run = gram[-order:]
            p = (self.counts.get(run, 0) + p * SMOOTHING) / (self.before.get(run[:-1], 0) + SMOOTHING)
        return float(np.log(p))


SMOOTHING = 2.0  # tokens by which a law of counts is drawn to that of one order less


def fit_ngrams(tokens: ArrayLike, n: int, vocabulary: int) -> NGrams:
    """Counts n-grams of data, so that samples have a likelihood: `fit_ngrams(data, 3, V).log_likelihood(samples)`.

    Orders are interpolated by Dirichlet smoothing: p_n = (count + 2 p_(n-1)) / (count of what is before + 2), from the
    uniform law on.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> model = jg.metrics.fit_ngrams(np.array([[0, 0, 0, 1]]), n=1, vocabulary=2)
      >>> np.exp(model.log_likelihood(np.array([[0, 1]]))).round(3).tolist()  # (3 + 1) / (4 + 2), (1 + 1) / (4 + 2)
      [[0.667, 0.333]]

    Args:
      tokens: [N, T] integers in 0..vocabulary-1.
      n: >= 1.
      vocabulary: number of tokens.
    Raises:
      ValueError: n < 1, or tokens are no integers of the vocabulary.
    References:
      MacKay, Peto. A Hierarchical Dirichlet Language Model. 1995.
    """
    rows = _tokens("fit_ngrams", tokens, 1)
    if n < 1 or rows.min() < 0 or rows.max() >= vocabulary:
        raise ValueError(f"fit_ngrams needs n >= 1, tokens in 0..{vocabulary - 1}; got {n}, {rows.min()}..{rows.max()}")
    padded = np.concatenate([np.full((len(rows), n - 1), -1), rows], axis=1)
    counts: Counter[tuple[int, ...]] = Counter()
    before: Counter[tuple[int, ...]] = Counter()
    for order in range(1, n + 1):
        grams = _ngrams(padded[:, n - order :], order)
        counts.update(grams)
        for gram, count in grams.items():
            before[gram[:-1]] += count
    return NGrams(n, vocabulary, counts, before)


class Point(NamedTuple):
    """A generator between quality and diversity; both are better when lower.

    Example:
      >>> import jaxgan as jg
      >>> sharp, plain = jg.metrics.Point(0.5, quality=1.0, diversity=4.0), jg.metrics.Point(1.0, 3.0, 2.0)
      >>> jg.metrics.quality_at([sharp, plain], diversity=3.0)  # half way
      2.0
    """

    temperature: float
    quality: float  # such as -log p of samples under the true law, or the share that is not valid
    diversity: float  # such as -log p of test data under the model


def quality_at(curve: Sequence[Point], diversity: float) -> float:
    """Quality of a temperature curve at a diversity: what the baseline gives who asks no more diversity than that.

    The best quality of all points of the curve and of the straight lines between neighbours, by temperature, whose
    diversity is no worse. A method is better than the curve where its quality is below this.

    Example:
      >>> import jaxgan as jg
      >>> curve = [jg.metrics.Point(0.5, 1.0, 4.0), jg.metrics.Point(1.0, 3.0, 2.0)]
      >>> jg.metrics.quality_at(curve, 3.0)
      2.0

    Args:
      curve: a baseline's points at several temperatures.
      diversity: of the method.
    Returns:
      Quality; infinite where no point is as diverse.
    Raises:
      ValueError: the curve is empty.
    References:
      Caccia et al. Language GANs Falling Short. ICLR 2020, section 3.
    """
    if not curve:
        raise ValueError("quality_at needs a curve of one point or more")
    ordered = sorted(curve, key=lambda point: point.temperature)
    reached = [point.quality for point in ordered if point.diversity <= diversity]
    for one, other in itertools.pairwise(ordered):
        low, high = sorted((one.diversity, other.diversity))
        if low < diversity < high:
            share = (diversity - one.diversity) / (other.diversity - one.diversity)
            reached.append(one.quality + share * (other.quality - one.quality))
    return min(reached, default=float("inf"))


def _tokens(caller: str, tokens: ArrayLike, n: int) -> np.ndarray:
    rows = np.asarray(tokens)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or not len(rows) or not 1 <= n <= rows.shape[1]:
        raise ValueError(f"{caller} takes tokens [N, T] of integers, T >= n >= 1; got {rows.dtype} {rows.shape}, n={n}")
    return rows


def _ngrams(rows: np.ndarray, n: int) -> Counter[tuple[int, ...]]:
    """Counts the runs of n tokens."""
    runs = np.lib.stride_tricks.sliding_window_view(rows, n, axis=1).reshape(-1, n)
    grams, counts = np.unique(runs, axis=0, return_counts=True)
    return Counter(dict(zip(map(tuple, grams.tolist()), counts.tolist(), strict=True)))
