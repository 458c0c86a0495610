"""What holds for all systems of this folder: a finite step, who moves what, what they generate, what they refuse."""

import functools

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

import jaxgan as jg
from jaxgan.parallel import data_parallel, member, stack, sweep
from tests.systems import tiny_core
from tests.systems.tiny import TINY, asked, playable
from tests.systems.tiny_core import CAPTIONS, B, Y


def key():
    return jax.random.key(0)


@functools.cache
def played(name):
    networks, system, batch = TINY[name]()
    game = jg.game(networks, system)
    state = jax.jit(game.init)(key(), batch)
    return networks, system, batch, game, state, *jax.jit(game.train_step)(state, batch)


@pytest.mark.parametrize("name", TINY)
def test_one_finite_step(name):
    _, system, _, _, before, after, metrics = played(name)
    chex.assert_tree_all_finite((metrics, after.params, after.opt_state))
    assert {metric.split("/")[0] for metric in metrics} == set(system.players)
    for network in before.params:
        assert moved(before, after, network) == (network not in system.frozen), network


@pytest.mark.parametrize("name", TINY)
def test_a_player_moves_its_own_network_alone(name):
    """What a player does not own leaves its turn as the very variable that came in: that holds for all values."""
    networks, system, batch, _, before, *_ = played(name)
    for player in system.players:

        def only(rules, state, batch, player=player):
            return jg.dynamics.alternating()(rules._replace(players={player: rules.players[player]}), state, batch)

        game = jg.game(networks, system, dynamics=only)
        program, (after, _) = jax.make_jaxpr(game.train_step, return_shape=True)(before, batch)
        state = jax.tree.unflatten(jax.tree.structure((before, batch)), program.jaxpr.invars)[0]
        outputs = program.jaxpr.outvars[: len(jax.tree.leaves(after))]
        moved_to = jax.tree.unflatten(jax.tree.structure(after), outputs)
        for network in networks:
            pairs = zip(jax.tree.leaves(state.params[network]), jax.tree.leaves(moved_to.params[network]), strict=True)
            changed = any(one is not other for one, other in pairs)
            assert changed == (network in system.players[player].owns), (player, network)


@pytest.mark.parametrize("name", TINY)
def test_samples_do_not_know_their_number(name):
    _, system, batch, game, *_, after, _ = played(name)
    rows, index = asked(name, batch, system), jnp.arange(3, dtype=jnp.int32)
    generate = jax.jit(game.generate)
    three = generate(after, key(), {"index": index, **jax.tree.map(lambda leaf: leaf[:3], rows)})
    one = generate(after, key(), {"index": index[2:], **jax.tree.map(lambda leaf: leaf[2:3], rows)})
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf[2:], three), one, atol=1e-6)
    if name in tiny_core.TINY:
        assert three.shape == (3, *batch["x"].shape[1:])


NEAR = {"contragan", "reacgan"}  # by `pmap`, an example is contrasted with those of its own device


@pytest.mark.parametrize("name", TINY)
def test_two_devices_are_one_and_a_sweep_is_its_members(name):
    """Under SGD, where a gradient's scale shows; by `pmap`, where a device sees its own part of the batch alone."""
    networks, system, batch = TINY[name](optimizer=optax.sgd(0.01))
    game, seeds = jg.game(networks, system), (0, 1)
    batch = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * game.updates), batch)
    begin = game.init(key(), batch)
    alone, _ = jax.jit(game.train_step)(begin, batch)
    mode, axis_name = ("sharded", None) if name in NEAR else ("pmap", "batch")
    over = {n: net.clone(axis_name=axis_name) if hasattr(net, "axis_name") else net for n, net in networks.items()}
    parallel = data_parallel(jg.game(over, system, axis_name=axis_name), mode, devices=jax.devices()[:2])
    near(alone, parallel.train_step(parallel.init(key(), batch), batch)[0], 1e-4)
    runs, stacked = sweep(game, seeds, mode="unrolled"), stack([batch] * len(seeds))
    states, _ = runs.train_step(runs.init(stacked), stacked)
    near(alone, member(states, 0), 1e-6)


def near(one, other, rtol):
    """Compares states; a bias before batch normalisation has a gradient of nothing but rounding."""
    plain = [jax.device_get(state._replace(key=jax.random.key_data(state.key))) for state in (one, other)]
    chex.assert_trees_all_close(*plain, rtol=rtol, atol=1e-7)


def moved(before, after, network):
    pairs = zip(jax.tree.leaves(before.params[network]), jax.tree.leaves(after.params[network]), strict=True)
    return any(bool((a != b).any()) for a, b in pairs)


@pytest.mark.parametrize("name", TINY)
def test_batches_of_any_form_come_from_a_source(name):
    game, source = playable(name)
    batch = next(jg.data.batches(source, 4, 0))
    after, _ = jax.eval_shape(game.train_step, jax.eval_shape(game.init, key(), batch), batch)
    assert after.ema


MISSING = {
    "acgan": r"acgan needs batch\['y'\], class labels",
    "contragan": r"contragan needs batch\['y'\], class labels",
    "reacgan": r"reacgan needs batch\['y'\], class labels",
    "semi_supervised": r"semi_supervised needs batch\['y'\], their labels",
    "gan_cls_int": r"gan_cls_int needs batch\['y'\], the captions' embeddings",
    "gawwn": r"gawwn needs batch\['y'\], the captions' embeddings",
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_labels(name):
    _, _, batch, game, state, *_ = played(name)
    without = {key: value for key, value in batch.items() if key != "y"}
    with pytest.raises(ValueError, match=MISSING[name]):
        jax.eval_shape(game.init, key(), without)
    with pytest.raises(ValueError, match=MISSING[name]):
        jax.eval_shape(game.train_step, state, without)


def test_missing_heads_and_entries():
    networks, system, batch = TINY["acgan"]()
    bare = networks | {"discriminator": TINY["contragan"]()[0]["discriminator"]}
    game = jg.game(bare, system)
    with pytest.raises(ValueError, match=r"outputs \['classes', 'logits'\].* it has \['contrast', 'features'"):
        jax.eval_shape(game.train_step, jax.eval_shape(game.init, key(), batch), batch)
    networks, system, batch = TINY["gawwn"]()
    with pytest.raises(ValueError, match=r"'caption' \[B, T\] and 'box' \[B, 4\]; got \['caption'\]"):
        jg.game(networks, system).init(key(), {"x": batch["x"], "y": {"caption": CAPTIONS}})
    networks, system, batch = TINY["gan_cls_int"]()
    game = jg.game(networks, system)
    with pytest.raises(ValueError, match=r"captions must be floating to interpolate"):
        jax.eval_shape(
            game.train_step, jax.eval_shape(game.init, key(), batch), batch | {"y": jnp.zeros((B, 5), jnp.int32)}
        )
    game, state = played("lapgan")[3:5]
    with pytest.raises(ValueError, match=r"multiples of 4, .* 16 or 20 by 16"):
        jax.eval_shape(game.train_step, state, {"x": jnp.zeros((6, 18, 16, 1))})


def test_settings_out_of_range():
    from jaxgan.systems.captions import gan_cls_int, gawwn
    from jaxgan.systems.class_conditional import acgan, reacgan
    from jaxgan.systems.infogan import infogan
    from jaxgan.systems.lapgan import lapgan
    from jaxgan.systems.semi_supervised import semi_supervised

    common = {"loss": jg.losses.hinge, "prior": jg.priors.normal(2), "optimizer": optax.sgd(0.1)}
    noise = {"loss": jg.losses.hinge, "noise": jg.priors.normal(2), "optimizer": optax.sgd(0.1)}
    with pytest.raises(ValueError, match="acgan needs weight >= 0; got -1"):
        acgan(**common, weight=-1)
    with pytest.raises(ValueError, match=r"margin in \[-1, 1\]; got 0.5 and 2"):
        reacgan(**common, margin=2)
    with pytest.raises(ValueError, match=r"named \['critic'\]; expected \['discriminator', 'generator'\]"):
        acgan(**common | {"optimizer": {"critic": optax.sgd(0.1)}})
    for name in ("weight", "continuous_weight"):
        with pytest.raises(ValueError, match=f"infogan needs (a )?{name} >= 0; got -1"):
            infogan(**noise, **{name: -1})
    with pytest.raises(ValueError, match=r"two values or more each, or continuous ones; got \(\) and 0"):
        infogan(**noise, categorical=())
    with pytest.raises(ValueError, match="objective='other' is unknown"):
        semi_supervised(prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), objective="other")
    with pytest.raises(ValueError, match="levels >= 2; got 1"):
        lapgan(**common, levels=1)
    with pytest.raises(ValueError, match=r"got 2, 0\.5 and 1\.0"):
        gan_cls_int(**common, mismatched=2)
    with pytest.raises(ValueError, match=r"entries; got 0.5 and \[\]"):
        gawwn(**common, entries=())


def test_codes_are_asked_for_by_label():
    """Labels choose the first code and leave the rest of the latent as it was."""
    _, _, _, game, *_, after, _ = played("infogan")
    z = jg.priors.codes(jg.priors.normal(3), (4, 2), 1)(key(), B)
    asked = game.generate(after, key(), {"z": z, "y": Y})
    by_hand = z.at[:, :4].set(jax.nn.one_hot(Y, 4))
    assert jnp.allclose(asked, game.generate(after, key(), {"z": by_hand}))
    assert not jnp.allclose(asked, game.generate(after, key(), {"z": z}))
