"""The adversarial tokenizer against arithmetic, and the defects of its public kin as tests that it passes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import coders, mlp, quantizers
from jaxgan.networks.quantizers import Coded
from jaxgan.parallel import data_parallel
from jaxgan.systems.tokenizer import read_tokens, tokenizer
from tests.systems.tiny_core import fixed

X = np.array([[1.0], [2.0], [4.0]], np.float32)
MEAN, RATE, SHARE = 7 / 3, 0.1, 0.8
W, E, A, B = 0.8, 0.5, -0.3, 0.2
HINGE = {"loss": jg.losses.hinge, "optimizer": optax.sgd(0.0)}


def through(p, z):
    """A bottleneck that is none, and costs q z of the mean."""
    return Coded(z, jnp.zeros(len(z), jnp.int32), p["q"] * jnp.mean(z), {})


def scalars(feature=3.0):
    """Everything is a number: x' = w e x, D = a x + b."""
    return {
        "encoder": fixed(lambda p, x: p["e"] * x, e=E),
        "bottleneck": fixed(through, q=0.0),
        "decoder": fixed(lambda p, z: p["last/kernel"] * z, **{"last/kernel": W}),
        "discriminator": fixed(lambda p, x: p["a"] * x[:, 0] + p["b"], a=A, b=B),
        "features": fixed(lambda p, x: p["f"] * x, f=feature),
    }


def after_one_step(rates, networks=("encoder", "bottleneck", "decoder", "discriminator"), **options):
    """Under SGD: the numbers after it, and metrics."""
    system = tokenizer(**HINGE | options)
    for player, rate in rates.items():
        system.players[player] = system.players[player]._replace(optimizer=optax.sgd(rate))
    game = jg.game({name: scalars()[name] for name in networks}, system)
    after, metrics = game.train_step(game.init(jax.random.key(0), {"x": X}), {"x": X})
    numbers = {name: float(leaf) for net in after.params.values() for name, leaf in net.items()}
    return numbers, {name: float(value) for name, value in metrics.items()}


ADAPTED = E * MEAN / (abs(A) * E * MEAN + 1e-4)  # of E|x - w e x| = (1 - w e) E x and of -a w e E x - b, at w
PLAIN = ("encoder", "bottleneck", "decoder")


def test_the_tokenizer_moves_first_by_all_its_terms_and_then_the_discriminator():
    """D's side is of detached pictures: its slope in a is E x' - E x (diffusers' trainer let both mix)."""
    after, metrics = after_one_step({"tokenizer": RATE, "discriminator": RATE})
    weight = SHARE * ADAPTED
    w = W - RATE * (-E * MEAN - weight * A * E * MEAN)
    e = E - RATE * (-W * MEAN - weight * A * W * MEAN)
    assert after["last/kernel"] == pytest.approx(w, rel=1e-5)
    assert after["e"] == pytest.approx(e, rel=1e-5)
    assert after["q"] == pytest.approx(-RATE * E * MEAN, rel=1e-5)  # the bottleneck's loss is in it
    assert after["a"] == pytest.approx(A - RATE * (w * e * MEAN - MEAN), rel=1e-5)
    assert metrics["tokenizer/l1"] == pytest.approx((1 - W * E) * MEAN, rel=1e-5)
    assert metrics["tokenizer/weight"] == pytest.approx(weight, rel=1e-5)
    assert metrics["tokenizer/adversarial"] == pytest.approx(-A * W * E * MEAN - B, rel=1e-5)
    alone, _ = after_one_step({"discriminator": RATE})
    assert (alone["e"], alone["last/kernel"], alone["q"]) == pytest.approx((E, W, 0.0))


def test_the_weight_undoes_the_units_of_the_adversarial_loss():
    def scaled(loss, factor):
        return jg.Loss(loss.discriminator, lambda real, fake: factor * loss.generator(real, fake))

    one, _ = after_one_step({"tokenizer": RATE})
    other, _ = after_one_step({"tokenizer": RATE}, loss=scaled(jg.losses.hinge, 100.0))
    assert other == pytest.approx(one, rel=1e-4)
    plain, _ = after_one_step({"tokenizer": RATE}, last=None)
    assert plain["last/kernel"] == pytest.approx(W + RATE * E * MEAN * (1 + SHARE * A), rel=1e-5)


def test_the_perceptual_term_has_a_gradient_and_counts_in_the_weight():
    """Features 3 x, weight 1/2: slopes are 1 + 3/2 times as steep (diffusers' trainer took LPIPS under no_grad)."""
    networks = (*PLAIN, "features")
    after, metrics = after_one_step({"tokenizer": RATE}, networks, weight=0.0, perceptual=0.5)
    assert after["last/kernel"] == pytest.approx(W + RATE * 2.5 * E * MEAN, rel=1e-5)
    assert metrics["tokenizer/perceptual"] == pytest.approx(1.5 * (1 - W * E) * MEAN, rel=1e-5)
    _, metrics = after_one_step({}, (*networks, "discriminator"), perceptual=0.5)
    assert metrics["tokenizer/weight"] == pytest.approx(2.5 * SHARE * ADAPTED, rel=1e-5)


def test_the_non_saturating_form_has_its_arguments_in_order():
    """softplus(-D) of the rebuilt: LlamaGen's public code asks the cross-entropy of ones given D."""
    _, metrics = after_one_step({}, loss=jg.losses.non_saturating)
    logits = A * W * E * X + B
    assert metrics["tokenizer/adversarial"] == pytest.approx(np.mean(np.log1p(np.exp(-logits))), rel=1e-5)


class Decode(nn.Module):
    """Vectors to pictures by one layer."""

    @nn.compact
    def __call__(self, z):
        return nn.Dense(4, name="last")(z)


ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)), jnp.float32)


def dense(bottleneck=None, width=3, **options):
    settings = {"loss": jg.losses.hinge, "optimizer": optax.adam(0.1)}
    system = tokenizer(**settings | options)
    networks = {"encoder": nn.Dense(width), "bottleneck": bottleneck or quantizers.LookupFree(3), "decoder": Decode()}
    if "discriminator" in system.players:
        networks["discriminator"] = mlp.Discriminator((4,))
    return jg.game(networks, system)


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_before_the_start_it_is_the_plain_autoencoder_bit_for_bit():
    """And the discriminator's parameters and moments stay as they began; then it plays (WolodjaZ's port inverts this).

    Adam with gradients of zero would count on: its first true step would be 16 times as long as it should be.
    """
    game, plain, batch = dense(start=2), dense(weight=0.0), {"x": ROWS}
    step, alone = jax.jit(game.train_step), jax.jit(plain.train_step)
    begin, without = game.init(jax.random.key(0), batch), plain.init(jax.random.key(0), batch)
    state = begin
    for _ in range(2):
        state, metrics = step(state, batch)
        without, _ = alone(without, batch)
        assert metrics["tokenizer/weight"] == 0
    for name in PLAIN:
        assert bits(state.params[name]) == bits(without.params[name]), name
    assert bits(state.params["discriminator"]) == bits(begin.params["discriminator"])
    kept = begin.opt_state["discriminator"].inner_state
    assert bits(state.opt_state["discriminator"].inner_state) == bits(kept)
    later, metrics = step(state, batch)
    assert metrics["tokenizer/weight"] > 0
    moved = jax.tree.map(
        lambda a, b: jnp.max(jnp.abs(a - b)), later.params["discriminator"], begin.params["discriminator"]
    )
    assert max(map(float, jax.tree.leaves(moved))) == pytest.approx(0.1, rel=1e-3)  # Adam's first step
    assert later.opt_state["discriminator"].inner_state[0].count == 1


def test_the_start_counts_train_steps():
    """With two discriminator updates a step, too."""
    system = dense(start=1, n_critic=2, last=None).system
    optimizer = system.players["discriminator"].optimizer
    state, moves = optimizer.init(jnp.ones(())), []
    for _ in range(3):
        change, state = optimizer.update(jnp.ones(()), state)
        moves.append(float(change) != 0)
    assert moves == [False, False, True]


def test_running_means_move_in_the_tokenizers_turn_alone():
    """Two calls a step, one count: the discriminator's turn leaves the codebook, on one device and on two."""
    game = dense(quantizers.EMAVQ(4, revive=0.0), optimizer=optax.sgd(0.0))
    batch = {"x": ROWS}
    begin = game.init(jax.random.key(0), batch)
    once = begin.model_state["bottleneck"]["codebook"]["counts"]
    after, _ = jax.jit(game.train_step)(begin, batch)
    assert float(jnp.sum(after.model_state["bottleneck"]["codebook"]["counts"])) == pytest.approx(
        0.99 * float(jnp.sum(once)) + 0.01 * len(ROWS), rel=1e-5
    )


def test_two_devices_keep_the_codes_of_one():
    """Revived from the whole batch, with the same draw; and the weight is that of the whole batch's gradients."""
    settings = {"optimizer": optax.sgd(0.1)}
    game, batch = dense(quantizers.EMAVQ(4), **settings), {"x": ROWS}
    begin = game.init(jax.random.key(0), batch)
    alone, metrics = jax.jit(game.train_step)(begin, batch)
    over = game.networks | {"bottleneck": quantizers.EMAVQ(4, axis_name="batch")}
    two = data_parallel(jg.game(over, game.system, axis_name="batch"), "pmap", devices=jax.devices()[:2])
    state, parallel = two.train_step(two.init(jax.random.key(0), batch), batch)
    assert parallel["tokenizer/revived"] == metrics["tokenizer/revived"] == 4
    for name in ("tokenizer/weight", "tokenizer/perplexity"):
        np.testing.assert_allclose(parallel[name], metrics[name], rtol=1e-5)
    for one, other in zip(jax.tree.leaves(alone.model_state), jax.tree.leaves(state.model_state), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_it_rebuilds_pictures_and_decodes_their_tokens():
    game = dense(weight=0.0)
    state = game.init(jax.random.key(0), {"x": ROWS})
    tokens = read_tokens(game, state, ROWS)
    assert tokens.shape == (6,)
    assert tokens.dtype == jnp.int32
    made = game.generate(state, jax.random.key(0), {"x": ROWS})
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"tokens": tokens}), made, rtol=1e-6)
    with pytest.raises(ValueError, match="a tokenizer is asked with 'x', pictures to rebuild, or with 'tokens'"):
        game.generate(state, jax.random.key(0), {})
    law = dense(quantizers.Normal(), 4, weight=0.0)
    state = law.init(jax.random.key(0), {"x": ROWS})
    assert law.generate(state, jax.random.key(0), {"x": ROWS}).shape == ROWS.shape
    with pytest.raises(ValueError, match="this bottleneck has no tokens"):
        read_tokens(law, state, ROWS)


def test_coders_halve_and_double():
    encoder, decoder = coders.Encoder(3, 4, layers=2, blocks=1, output=jnp.tanh), coders.Decoder(2, 4, blocks=1)
    x = jax.ShapeDtypeStruct((2, 8, 12, 2), jnp.float32)
    z, variables = jax.eval_shape(encoder.init_with_output, jax.random.key(0), x)
    assert z.shape == (2, 2, 3, 3)
    made, variables = jax.eval_shape(decoder.init_with_output, jax.random.key(0), z)
    assert made.shape == x.shape
    assert variables["params"]["last"]["kernel"].shape == (3, 3, 4, 2)


def test_what_it_refuses():
    with pytest.raises(ValueError, match=r"weights and start >= 0; got -1, 0\.0 and 0"):
        tokenizer(**HINGE, weight=-1)
    with pytest.raises(ValueError, match=r"expected \['discriminator', 'tokenizer'\]"):
        tokenizer(**HINGE | {"optimizer": {"generator": optax.sgd(0.1)}})
    with pytest.raises(ValueError, match="distance='other' is unknown"):
        jax.eval_shape(dense(distance="other").init, jax.random.key(0), {"x": ROWS})
    lost = dense(last="end/kernel")
    with pytest.raises(ValueError, match=r"last='end/kernel' is no parameter of the decoder; it has \['last/bias', "):
        jax.eval_shape(lost.train_step, jax.eval_shape(lost.init, jax.random.key(0), {"x": ROWS}), {"x": ROWS})
    with pytest.raises(ValueError, match=r"tokenizer needs batch\['x'\], pictures"):
        jax.eval_shape(dense().init, jax.random.key(0), {"y": ROWS})
    with pytest.raises(ValueError, match=r"tokenizer is shown \(6, 5\), but its decoder makes \(6, 4\)"):
        jax.eval_shape(dense().init, jax.random.key(0), {"x": jnp.zeros((6, 5))})
