"""Sequences of tokens: lines of a file, English words, and laws whose likelihood is known in closed form.

Examples are "tokens" [n, length] int32. Token 0 of text is `END`: it comes after the last character and fills what is
left of the length, so that a generator with `end=0` knows sequences of all lengths. Letters are 1, 2, ... in the order
of the alphabet.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgan.data.memory import arrays
from jaxgan.data.source import Draw, Examples, Source, digest_of, uniform
from jaxgan.types import name_index

END = 0  # the token after the last character, and all after it
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHOWN = 5  # characters or lines that an error names
_PLACES = 64  # numbers that a drawn sequence may take, at most


class Text(NamedTuple):
    """Sequences of characters, and what their tokens mean."""

    source: Source  # of "tokens" [n, length] int32
    alphabet: str  # token k is its character k - 1; token 0 is END

    @property
    def vocabulary(self) -> int:
        """Returns the number of tokens, END among them."""
        return len(self.alphabet) + 1


def text(path: str | os.PathLike[str], length: int, alphabet: str | None = None) -> Text:
    """Reads sequences from a text file (UTF-8), one a line; empty lines are left out.

    Args:
      path: of the file.
      length: tokens of a sequence; shorter lines are filled with END, and longer ones refused.
      alphabet: the characters that may occur, each once; None: those of the file, in their order in Unicode.
    Returns:
      Text.
    Raises:
      ValueError: no file, none of its lines has a character, a line is too long, a character is not in the alphabet, or
        one is in it twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as text in UTF-8: {error}") from error
    kept = [line for line in lines if line]
    if not kept:
        raise ValueError(f"{path} has no line with a character; write one sequence a line")
    alphabet = "".join(sorted(set("".join(kept)))) if alphabet is None else alphabet
    return Text(arrays({"tokens": encoded(kept, length, alphabet)}, name=f"text({Path(path).name})"), alphabet)


def words(shortest: int = 4, longest: int = 8, split: str = "train") -> Text:
    """English words of the letters a to z, from inside the package english-words (Webster's second, 1934).

    Every tenth word in alphabetical order is held out.

    Args:
      shortest: least number of letters, >= 1.
      longest: largest, the length of all sequences.
      split: "train", "test" (held out) or "all".
    Returns:
      Text over 27 tokens; of one number of letters END does not occur.
    Raises:
      ImportError: the package is not installed; names the extra.
      ValueError: numbers or split are out of range.
    """
    if split not in ("train", "test", "all") or not 1 <= shortest <= longest:
        raise ValueError(
            f"words has a split train, test or all, 1 <= shortest <= longest; got {split!r}, {shortest}, {longest}"
        )
    try:
        from english_words import get_english_words_set
    except ImportError as error:
        raise ImportError("words are in the package english-words: pip install 'jaxgan[experiments]'") from error
    listed = sorted(w for w in get_english_words_set(["web2"], alpha=True, lower=True) if shortest <= len(w) <= longest)
    listed = [w for w in listed if set(w) <= set(LETTERS)]
    if not listed:
        raise ValueError(f"words: none has {shortest} to {longest} letters; the longest have 24")
    chosen = [w for k, w in enumerate(listed) if split == "all" or (k % 10 == 9) == (split == "test")]
    name = f"words({shortest}..{longest}, {split})"
    return Text(arrays({"tokens": encoded(chosen, longest, LETTERS)}, name=name), LETTERS)


def encoded(lines: Sequence[str], length: int, alphabet: str) -> np.ndarray:
    """Returns lines as tokens [n, length] int32, filled with END.

    Example:
      >>> from jaxgan.data.text import encoded
      >>> encoded(["ab", "c"], 3, "abc").tolist()
      [[1, 2, 0], [3, 0, 0]]

    Raises:
      ValueError: a line is too long, a character is not in the alphabet, or one is in it twice.
    """
    if len(set(alphabet)) != len(alphabet) or not alphabet:
        raise ValueError(f"an alphabet names each character once, one or more; got {alphabet!r}")
    if unknown := sorted(set("".join(lines)) - set(alphabet)):
        shown = ", ".join(map(repr, unknown[:SHOWN])) + (f" and {len(unknown) - SHOWN} more" if unknown[SHOWN:] else "")
        where = next(k for k, line in enumerate(lines, 1) if unknown[0] in line)
        raise ValueError(f"characters {shown} are not in the alphabet {alphabet!r}, the first in sequence {where}")
    if long := [k for k, line in enumerate(lines, 1) if len(line) > length]:
        raise ValueError(f"sequence {long[0]} has {len(lines[long[0] - 1])} characters, more than length={length}")
    place = {character: k for k, character in enumerate(alphabet, 1)}
    tokens = np.full((len(lines), length), END, np.int32)
    for row, line in zip(tokens, lines, strict=True):
        row[: len(line)] = [place[character] for character in line]
    return tokens


def decoded(tokens: np.ndarray, alphabet: str) -> list[str]:
    """Returns tokens [n, length] as strings, each up to its first END.

    Raises:
      ValueError: a token has no character.
    """
    rows = np.asarray(tokens)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or rows.min(initial=0) < 0 or rows.max(initial=0) > len(alphabet):
        raise ValueError(f"tokens [n, T] are integers in 0..{len(alphabet)}; got {rows.dtype} {rows.shape}")
    return ["".join(alphabet[k - 1] for k in row[: np.argmax([*(row == END), True])]) for row in rows]


class Bigrams(NamedTuple):
    """A law of sequences in which each token depends on the last alone."""

    start: np.ndarray  # [V] float64, of the first token
    table: np.ndarray  # [V, V] float64, row: the last token, column: the next

    def log_likelihood(self, tokens: np.ndarray) -> np.ndarray:
        """Returns log p of sequences [n, T], in nats: [n], -inf where one cannot be."""
        rows = np.asarray(tokens)
        with np.errstate(divide="ignore"):
            start, table = np.log(self.start), np.log(self.table)
        return start[rows[:, 0]] + np.sum(table[rows[:, :-1], rows[:, 1:]], axis=1)

    def entropy(self, length: int) -> float:
        """Returns the entropy of a sequence of that length, in nats: the least negative log-likelihood of any model."""
        marginal, total = self.start, _entropy(self.start)
        for _ in range(length - 1):
            total += float(marginal @ np.array([_entropy(row) for row in self.table]))
            marginal = marginal @ self.table
        return total


def bigrams(vocabulary: int = 32, concentration: float = 0.1, seed: int = 0) -> Bigrams:
    """Draws a law: rows from a Dirichlet distribution, the peakier the smaller its concentration.

    Args:
      vocabulary: number of tokens, >= 2.
      concentration: of the Dirichlet distribution of every row, > 0.
      seed: of the law.
    Raises:
      ValueError: a number is out of range.
    References:
      Yu et al. SeqGAN. AAAI 2017, section 4 (an oracle; theirs is a random LSTM).
    """
    if vocabulary < 2 or not concentration > 0:
        raise ValueError(f"bigrams need vocabulary >= 2, concentration > 0; got {vocabulary} and {concentration}")
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(vocabulary, concentration), size=vocabulary + 1) + 1e-4 / vocabulary
    rows /= rows.sum(axis=1, keepdims=True)
    return Bigrams(rng.dirichlet(np.ones(vocabulary)), rows[1:])


def sequences(law: Bigrams, length: int) -> Source:
    """Draws sequences of a law: example p is a pure function of (seed, p), without an end.

    Args:
      law: from `bigrams`.
      length: tokens of a sequence, 1.._PLACES.
    Returns:
      Source of "tokens" [n, length] int32.
    Raises:
      ValueError: the length is out of range.
    """
    if not 1 <= length <= _PLACES:
        raise ValueError(f"sequences have a length of 1..{_PLACES}; got {length}")
    start, table = np.cumsum(law.start), np.cumsum(law.table, axis=1)
    last = len(start) - 1

    def read(draw: Draw) -> Examples:
        numbers = _numbers(draw, "bigrams", length)
        tokens = np.empty((len(numbers), length), np.int32)
        tokens[:, 0] = np.minimum(np.searchsorted(start, numbers[:, 0], side="right"), last)
        for t in range(1, length):
            tokens[:, t] = np.minimum(np.sum(table[tokens[:, t - 1]] <= numbers[:, t : t + 1], axis=1), last)
        return {"tokens": tokens}

    name = f"bigrams({len(start)} tokens, length {length})"
    return Source(name, None, read, digest=lambda: digest_of(name, law.start, law.table))


SIGNS = "+-*/"  # of the grammar


def grammar(length: int = 12) -> Text:
    """Sums, differences, products and quotients of x: S -> x | S+S | S-S | S*S | S/S, of at most `length` characters.

    A string with k signs has 2 k + 1 characters. All k that fit are equally likely, and all strings of one k: what
    can be seen in a string is nothing else, as the grammar is ambiguous.

    Args:
      length: tokens of a sequence, filled with END, 1.._PLACES.
    Returns:
      Text over x+-*/ whose source has no end.
    Raises:
      ValueError: the length is out of range.
    References:
      Kusner, Hernández-Lobato. GANs for Sequences of Discrete Elements with the Gumbel-softmax Distribution. 2016,
      section 4.
    """
    if not 1 <= length <= _PLACES:
        raise ValueError(f"grammar has a length of 1..{_PLACES}; got {length}")
    most = (length - 1) // 2

    def read(draw: Draw) -> Examples:
        numbers = _numbers(draw, "grammar", most + 1)
        signs = np.floor(numbers[:, :1] * (most + 1))
        places = np.arange(length)
        whole = np.ones((len(numbers), length))
        whole[:, 1 : 2 * most : 2] = 2 + np.floor(numbers[:, 1:] * len(SIGNS))
        return {"tokens": np.where(places <= 2 * signs, whole, END).astype(np.int32)}

    return Text(Source(f"grammar({length})", None, read), "x" + SIGNS)


def parses(string: str) -> bool:
    """Tells whether a string is of the grammar: what a parser from the left to the right accepts.

    Example:
      >>> from jaxgan.data.text import parses
      >>> [parses(s) for s in ("x", "x+x*x", "x+", "xx", "")]
      [True, True, False, False, False]
    """
    wants = True  # an x, or else a sign
    for character in string:
        if wants != (character == "x") or (not wants and character not in SIGNS):
            return False
        wants = not wants
    return not wants


def grammar_log_likelihood(strings: Sequence[str], length: int) -> np.ndarray:
    """Returns log p of strings under `grammar(length)`, in nats: [n], -inf where it has none of it."""
    most = (length - 1) // 2
    each = [
        -math.log(most + 1) - (len(s) // 2) * math.log(len(SIGNS)) if parses(s) and len(s) <= length else -math.inf
        for s in strings
    ]
    return np.array(each)


def blanks(source: Source, share: float = 0.5, contiguous: bool = False) -> Source:
    """Adds a "mask" [n, T] float32 to sequences, 1 where they shall be filled: a share of each one's characters.

    Of L characters (END is none) max(1, round(share L)) are blank, at places of their own for each draw.

    Args:
      source: of "tokens" [n, T], in which END comes last.
      share: in (0, 1].
      contiguous: blanks lie side by side.
    Returns:
      Source of what it has, and "mask".
    Raises:
      ValueError: the share is out of range; when examples are read, there are no "tokens".
    References:
      Fedus, Goodfellow, Dai. MaskGAN. ICLR 2018, section 3.
    """
    if not 0 < share <= 1:
        raise ValueError(f"blanks need a share in (0, 1]; got {share}")

    def read(draw: Draw) -> Examples:
        examples = dict(source.read(draw))
        if "tokens" not in examples:
            raise ValueError(f"blanks are made in 'tokens'; {source.name!r} has {sorted(examples)}")
        tokens = np.asarray(examples["tokens"])
        length, places = (tokens != END).sum(axis=1, keepdims=True), np.arange(tokens.shape[1])
        count = np.minimum(np.maximum(1, np.round(share * length)), length)
        numbers = _numbers(draw, "blanks", tokens.shape[1])
        if contiguous:
            first = np.floor(numbers[:, :1] * (length - count + 1))
            mask = (places >= first) & (places < first + count)
        else:
            ranks = np.argsort(np.argsort(np.where(places < length, numbers, 2.0), axis=1), axis=1)
            mask = ranks < count
        return examples | {"mask": mask.astype(np.float32)}

    name = f"blanks({source.name}, {share:g}{', contiguous' if contiguous else ''})"
    digest = source.digest
    return source._replace(name=name, read=read, digest=None if digest is None else lambda: digest_of(digest(), name))


def _numbers(draw: Draw, use: str, count: int) -> np.ndarray:
    """Returns numbers in [0, 1) of each draw and use: [n, count]."""
    places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(_PLACES) + np.arange(count, dtype=np.uint64)
    return uniform((draw.seed + name_index(use)) % 2**32, places)


def _entropy(p: np.ndarray) -> float:
    return float(-np.sum(p[p > 0] * np.log(p[p > 0])))
