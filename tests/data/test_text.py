"""Sequences: what lines become, laws that are what they say, blanks that are a function of their draw."""

import numpy as np
import pytest

import jaxgan as jg
from jaxgan.data.text import decoded, encoded, grammar_log_likelihood, parses


def test_lines_of_a_file(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("ba\n\ncab\n", encoding="utf-8")
    text = jg.data.text(path, 4)
    tokens = jg.data.whole(text.source)["tokens"]
    assert (text.alphabet, text.vocabulary, tokens.dtype) == ("abc", 4, np.int32)
    np.testing.assert_array_equal(tokens, [[2, 1, 0, 0], [3, 1, 2, 0]])
    assert decoded(tokens, text.alphabet) == ["ba", "cab"]
    assert jg.data.text(path, 3, "cba").source.digest() != text.source.digest()


@pytest.mark.parametrize(
    ("content", "settings", "says"),
    [
        ("ab\nxyab", {"alphabet": "ab"}, "characters 'x', 'y' are not in the alphabet 'ab', the first in sequence 2"),
        ("ab\nabcde", {}, "sequence 2 has 5 characters, more than length=4"),
        ("\n\n", {}, "no line with a character"),
        ("ab", {"alphabet": "aab"}, "names each character once"),
    ],
)
def test_what_a_file_may_not_have(content, settings, says, tmp_path):
    (tmp_path / "lines.txt").write_text(content)
    with pytest.raises(ValueError, match=says):
        jg.data.text(tmp_path / "lines.txt", 4, **settings)
    with pytest.raises(ValueError, match="cannot be read as text"):
        jg.data.text(tmp_path / "none.txt", 4)


def test_words_are_parted():
    pytest.importorskip("english_words")
    train, test, every = (jg.data.words(3, 3, split).source for split in ("train", "test", "all"))
    assert train.size + test.size == every.size
    assert test.size == every.size // 10
    known = set(decoded(jg.data.whole(every)["tokens"], jg.data.words(3, 3).alphabet))
    assert "cat" in known
    assert all(len(word) == 3 for word in known)
    with pytest.raises(ValueError, match="none has 40 to 41 letters"):
        jg.data.words(40, 41)
    with pytest.raises(ValueError, match="1 <= shortest <= longest; got 'train', 5, 4"):
        jg.data.words(5, 4)


def test_sequences_have_the_law_of_their_bigrams():
    law = jg.data.bigrams(4, 0.5, seed=3)
    source = jg.data.sequences(law, 5)
    n = 20_000
    tokens = jg.data.batch_at(source, n, 0)(0)["tokens"]
    np.testing.assert_allclose(np.bincount(tokens[:, 0], minlength=4) / n, law.start, atol=0.015)
    pairs = np.zeros((4, 4))
    np.add.at(pairs, (tokens[:, :-1].ravel(), tokens[:, 1:].ravel()), 1)
    np.testing.assert_allclose(pairs / pairs.sum(axis=1, keepdims=True), law.table, atol=0.02)
    assert -law.log_likelihood(tokens).mean() == pytest.approx(law.entropy(5), abs=0.03)
    whole = np.array(np.meshgrid(*[range(4)] * 3)).reshape(3, -1).T
    assert np.exp(law.log_likelihood(whole)).sum() == pytest.approx(1)
    np.testing.assert_array_equal(jg.data.batch_at(source, 4, 0)(2)["tokens"], tokens[8:12])
    with pytest.raises(ValueError, match="vocabulary >= 2"):
        jg.data.bigrams(1)
    with pytest.raises(ValueError, match=r"length of 1\.\.64; got 65"):
        jg.data.sequences(law, 65)


def test_strings_of_the_grammar_parse_and_have_its_law():
    text = jg.data.grammar(6)
    strings = decoded(jg.data.batch_at(text.source, 6000, 0)(0)["tokens"], text.alphabet)
    assert all(map(parses, strings))
    shares = np.bincount([len(s) for s in strings]) / len(strings)
    np.testing.assert_allclose(shares[[1, 3, 5]], 1 / 3, atol=0.03)
    assert len(set(strings)) == 1 + 4 + 16
    np.testing.assert_allclose(grammar_log_likelihood(["x", "x+x", "x*x-x", "x+"], 6), -np.log([3, 12, 48, np.inf]))
    assert np.exp(grammar_log_likelihood(sorted(set(strings)), 6)).sum() == pytest.approx(1)
    with pytest.raises(ValueError, match=r"length of 1\.\.64; got 0"):
        jg.data.grammar(0)


@pytest.mark.parametrize("contiguous", [False, True])
def test_blanks_are_a_share_of_the_letters_at_places_of_their_own(contiguous):
    tokens = encoded(["abcdef", "ab", "a"] * 300, 6, "abcdef")
    source = jg.data.blanks(jg.data.arrays({"tokens": tokens}), 0.5, contiguous)
    batch = jg.data.batch_at(source, 900, 0)(0)
    mask, letters = batch["mask"], (batch["tokens"] > 0).sum(axis=1)
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask.sum(axis=1), np.where(letters == 6, 3, 1))
    assert not (mask * (batch["tokens"] == 0)).any()
    runs = (np.diff(mask[letters == 6], axis=1, prepend=0) > 0).sum(axis=1)
    assert (runs.max() == 1) == contiguous
    assert len(np.unique(mask[letters == 6], axis=0)) == (4 if contiguous else 20)
    np.testing.assert_array_equal(jg.data.batch_at(source, 900, 0)(0)["mask"], mask)
    with pytest.raises(ValueError, match=r"a share in \(0, 1\]; got 0"):
        jg.data.blanks(source, 0)
    with pytest.raises(ValueError, match="blanks are made in 'tokens'"):
        jg.data.batch_at(jg.data.blanks(jg.data.ring(), 0.5), 2, 0)(0)


def test_tokens_without_a_character():
    with pytest.raises(ValueError, match=r"integers in 0..2; got int64 \(1, 1\)"):
        decoded(np.array([[3]]), "ab")
