"""Networks of tokens: what is drawn one by one is what teacher forcing scores, and nobody looks ahead."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from jaxgan.networks import readers, sequences

T, V, B = 4, 3, 64
NOISE = jg.priors.gumbel(T, V)(jax.random.key(0), B)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, V, (B, T)), jnp.int32)
MASK = jnp.asarray(np.random.default_rng(1).integers(0, 2, (B, T)), jnp.float32)
NETWORKS = {
    "lstm": sequences.Recurrent(V, 3, 4),
    "gru with an end": sequences.Recurrent(V, 3, 4, "gru", end=0),
    "transformer": sequences.Transformer(V, T, 4, 2, 1, end=0),
    "infill": sequences.Infill(V, 3, 4),
}


@functools.cache
def played(name):
    """Everything that a network does, compiled at once; parameters are large, so that what it is given matters."""
    network = NETWORKS[name]
    infill, rng = name == "infill", np.random.default_rng(2)

    @jax.jit
    def play(key):
        params = network.init(key, TOKENS, *((MASK,) if infill else ()))
        params = jax.tree.map(lambda w: w + jnp.asarray(0.7 * rng.normal(size=w.shape), w.dtype), params)

        def call(*inputs, **settings):
            return network.apply(params, *inputs, **settings)

        def score(tokens):
            return call(tokens, *((MASK,) if infill else ()))

        filled = call(NOISE, tokens=TOKENS, mask=MASK, method="draw")
        made = {"filled": filled, "logits": score(filled)}
        if infill:
            other = (TOKENS + MASK.astype(jnp.int32)) % V  # another token in every blank
            return made | {"unseen": call(NOISE, tokens=other, mask=MASK, method="draw")}
        drawn = call(NOISE, method="draw")
        made |= {"drawn": drawn, "drawn logits": score(drawn), "cold": call(NOISE, 1e-3, method="draw")}
        made["changed"] = score(drawn.at[:, 2].set((drawn[:, 2] + 1) % V))
        made["soft"] = call(NOISE, 0.5, method="relax")
        made["straight"] = call(NOISE, 0.5, True, method="relax")
        return made

    return jax.device_get(play(jax.random.key(1)))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_drawn_is_the_argmax_of_its_own_logits_and_noise_and_what_is_given_stays(name):
    made = played(name)
    best = np.argmax(made["logits"] + NOISE, axis=-1)
    np.testing.assert_array_equal(made["filled"], np.where(MASK > 0, best, TOKENS))
    if name == "infill":
        np.testing.assert_array_equal(made["unseen"], np.where(MASK > 0, made["filled"], TOKENS))
        return
    np.testing.assert_array_equal(made["drawn"], np.argmax(made["drawn logits"] + NOISE, axis=-1))
    np.testing.assert_array_equal(made["cold"][:, 0], np.argmax(made["drawn logits"][:, 0], axis=-1))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "infill"])
def test_logits_know_nothing_of_their_own_token_and_later_ones(name):
    before, after = played(name)["drawn logits"], played(name)["changed"]
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3] - after[:, 3]).max() > 0.01


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "infill"])
def test_relaxed_samples_are_on_the_simplex_and_straight_through_they_are_the_drawn_tokens(name):
    made = played(name)
    np.testing.assert_allclose(made["soft"].sum(axis=-1), 1, rtol=1e-5)
    assert np.mean(made["soft"].max(axis=-1) < 0.95) > 0.01
    np.testing.assert_array_equal(made["straight"], np.eye(V, dtype=np.float32)[made["drawn"]])


@pytest.mark.parametrize("name", ["gru with an end", "transformer"])
def test_after_the_end_comes_the_end_alone_and_costs_nothing(name):
    made = played(name)
    ended = np.cumsum(made["drawn"] == 0, axis=1) > 0
    assert ended[:, :-1].any()
    np.testing.assert_array_equal(made["drawn"][:, 1:][ended[:, :-1]], 0)
    log_p = np.asarray(jg.losses.token_log_probabilities(made["drawn logits"], made["drawn"]))
    np.testing.assert_array_equal(log_p[:, 1:][ended[:, :-1]], 0)


def test_a_value_knows_nothing_of_its_own_token_and_a_judge_sees_the_mask():
    values, judge = readers.Values(V, 3, 4), readers.TokenJudge(3, 4)
    x = sequences.hot(TOKENS, V)

    @jax.jit
    def play(key):
        params = jax.tree.map(lambda w: 3 * w, values.init(key, TOKENS, MASK))
        other = TOKENS.at[:, 2].set((TOKENS[:, 2] + 1) % V)
        b = [values.apply(params, tokens, jnp.ones_like(MASK)) for tokens in (TOKENS, other)]
        params = judge.init(key, x, MASK)
        return b, [judge.apply(params, x, mask)["logits"] for mask in (MASK, 1 - MASK)]

    b, logits = jax.device_get(play(jax.random.key(0)))
    np.testing.assert_array_equal(b[0][:, :3], b[1][:, :3])
    assert np.abs(b[0][:, 3] - b[1][:, 3]).max() > 1e-3
    assert np.abs(logits[0] - logits[1]).max() > 1e-3


def shapes(network, *inputs, **settings):
    return jax.eval_shape(lambda: network.init_with_output(jax.random.key(0), *inputs, **settings)[0])


def test_discriminators_give_one_logit_for_each_sequence():
    x = sequences.hot(TOKENS, V)
    for network in (readers.TextCNN((1, 9), 2, 3), readers.Attentive(4)):
        assert shapes(network, x).shape == (B,)
        with pytest.raises(ValueError, match=r"sees rows of probabilities \[B, T, V\], one-hot of tokens; got int32"):
            shapes(network, TOKENS)


def test_what_they_refuse():
    with pytest.raises(ValueError, match=r"Recurrent of 3 tokens draws by noise \[B, T, 3\]; got \(64, 4, 5\)"):
        shapes(NETWORKS["lstm"], jnp.zeros((B, T, 5)), method="draw")
    with pytest.raises(ValueError, match="places for 4 tokens; got 5: raise its length"):
        shapes(NETWORKS["transformer"], jnp.zeros((B, 5), jnp.int32))
    with pytest.raises(ValueError, match=r"tokens are integers \[B, T\]; got float32"):
        shapes(NETWORKS["lstm"], jnp.zeros((B, T)))
    with pytest.raises(ValueError, match="cell is 'rnn'; use 'lstm' or 'gru'"):
        shapes(sequences.Recurrent(V, cell="rnn"), TOKENS)
    with pytest.raises(ValueError, match=r"a mask \[B, T\] needs tokens"):
        shapes(NETWORKS["lstm"], NOISE, mask=MASK, method="draw")
    with pytest.raises(ValueError, match=r"need a mask \[B, T\], 1 where they are blank"):
        shapes(NETWORKS["infill"], TOKENS, MASK[:, :2])
    with pytest.raises(ValueError, match="dimension"):
        jg.priors.gumbel(0, 3)
