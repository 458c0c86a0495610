"""Every recipe trains on every kind of data, and says which sides it does not reach."""

from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from jaxgan.recipes.choosing import RECIPES, choose, cook
from jaxgan.recipes.parts import Facts, check_doubled, check_halved

KINDS = {  # what CI trains on: grey in classes, colour, colour that is not square
    "28x28 grey in classes": Facts((28, 28, 1), 10, 1797),
    "64x64 colour": Facts((64, 64, 3), 0, 50_000),
    "48x96 colour": Facts((48, 96, 3), 0, 300),
}
TINY = {"batch_size": 2, "n_critic": 1, "width": 8, "latent": 8}
WIDTHS = {"biggan": 1, "unet": 1, "dcgan": 2, "projected": 2}


def made(name, facts):
    if name == "projected":
        facts = facts._replace(classes=0)
    recipe = cook(name, facts, True, TINY | {"width": WIDTHS.get(name, 8)})
    return facts, recipe


def batch_of(facts, n):
    rng = np.random.default_rng(0)
    x = {"x": jnp.asarray(rng.uniform(-1, 1, (n, *facts.shape)), jnp.float32)}
    return x | ({"y": jnp.arange(n, dtype=jnp.int32)} if facts.classes else {})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_on_data(name, kind):
    facts, recipe = made(name, KINDS[kind])
    game, batch = recipe.game(), batch_of(facts, 2)
    # To compile what begins a game takes as long as its step: it is done for one kind, and drawn for the others.
    begin = jax.jit(game.init) if kind == next(iter(KINDS)) else lambda *given: drawn(game, *given)
    step, state = jax.jit(game.train_step), begin(jax.random.key(0), batch)
    began = state
    for _ in range(2):
        state, metrics = step(state, batch)
    assert int(state.step) == 2
    assert all(np.isfinite(value) for value in metrics.values())
    for player in ("generator", "discriminator"):
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), began.params[player], state.params[player])
        assert any(jax.tree.leaves(moved)), player
    shapes = jax.eval_shape(
        lambda state: game.generate(state, jax.random.key(1), {"index": jnp.arange(2)} | without(batch, "x")), state
    )
    assert shapes.shape == (2, *facts.shape)
    assert set(state.ema) == {"generator"}


def drawn(game, key, batch):
    """Returns a state at step 0 whose networks have values as of trained ones."""
    rng, shapes = np.random.default_rng(0), jax.eval_shape(game.init, key, batch)

    def value(path, leaf):
        if "var" in jax.tree_util.keystr(path):
            return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
        return jnp.asarray(rng.normal(size=leaf.shape) / np.sqrt(max(10, np.prod(leaf.shape[:-1]))), leaf.dtype)

    params, held = (jax.tree_util.tree_map_with_path(value, tree) for tree in (shapes.params, shapes.model_state))
    optimizers = {
        name: player.optimizer.init({network: params[network] for network in player.owns})
        for name, player in game.system.players.items()
    }
    averages = [{name: kept[name] for name in shapes.ema} for kept in (params, held)]
    return jg.TrainState(jnp.zeros((), jnp.int32), key, params, held, optimizers, *averages)


def without(batch, *names):
    return {name: value for name, value in batch.items() if name not in names}


@pytest.mark.parametrize("channels", [2, 4])  # 1 and 3 are trained above
@pytest.mark.parametrize("name", [name for name in RECIPES if name != "projected"])
def test_other_channels(name, channels):
    facts = Facts((32, 32, channels), 0, 100)
    recipe = cook(name, facts, True, TINY | {"width": WIDTHS.get(name, 8)})
    z, x = jnp.zeros((2, recipe.settings.latent), jnp.float32), jax.ShapeDtypeStruct((2, *facts.shape), jnp.float32)
    keys = {name: jax.random.key(0) for name in ("params", "global")}
    made, _ = jax.eval_shape(lambda z: recipe.networks["generator"].init_with_output(keys, z), z)
    assert made.shape == x.shape
    logits, _ = jax.eval_shape(lambda x: recipe.networks["discriminator"].init_with_output(keys, x), x)
    assert jax.tree.leaves(logits)[0].shape == (2,)


@pytest.mark.parametrize("name", RECIPES)
def test_a_side_that_strides_do_not_reach_names_the_next(name):
    with pytest.raises(ValueError, match=r"does not reach pictures of 50x50 .*--size 48 or --size (52|56)"):
        cook(name, Facts((50, 50, 3)), True, {})


def test_the_next_sides_are_reached():
    for check in (check_halved, check_doubled):
        with pytest.raises(ValueError, match="next are") as caught:
            check("some", Facts((50, 99, 3)))
        sizes = str(caught.value).partition("next are --size ")[2].split(" or --size ")
        assert len(sizes) > 1
        for size in sizes:
            height, _, width = size.partition("x")
            assert check("some", Facts((int(height), int(width or height), 3))) > 1


def test_flags_override_and_unknown_ones_are_refused():
    facts = Facts((32, 32, 3), 0, 100)
    own = cook("dcgan", facts, True, {}).settings
    given = cook("dcgan", facts, True, {"width": 4, "gamma": 0.0, "augment": "none", "latent": None}).settings
    assert (given.width, given.gamma, given.augment, given.latent) == (4, 0.0, "none", own.latent)
    assert given.learning_rate == 2e-4  # the paper's, where there is no R1
    for bad in ({"width": 0}, {"gamma": -1.0}, {"augment": "mixup"}, {"colour": 1}, {"ema_kimg": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(bad)).replace("_", "-")):
            cook("dcgan", facts, True, bad)
    with pytest.raises(ValueError, match="did you mean 'dcgan'"):
        cook("dcgn", facts, True, {})


def test_published_sizes():
    """At the papers' scale networks are those of `tests/networks/test_published.py`."""
    cases = {"r3gan": (32, 20_732_160), "sngan": (32, 4_276_739), "wgan_gp": (32, 1_204_483)}
    for name, (side, count) in cases.items():
        recipe = cook(name, Facts((side, side, 3)), False, {})
        z = jnp.zeros((1, recipe.settings.latent), jnp.float32)
        params = jax.eval_shape(recipe.networks["generator"].init, jax.random.key(0), z)["params"]
        assert sum(x.size for x in jax.tree.leaves(params)) == count, name


def test_few_pictures_are_augmented_and_fill_a_batch():
    for name in ("dcgan", "sngan", "biggan", "unet", "r3gan"):
        assert cook(name, Facts((32, 32, 3), 0, 300), True, {}).settings.augment == "diffaugment"
        assert cook(name, Facts((32, 32, 3), 0, 50_000), True, {}).settings.augment == "none"
    assert cook("r3gan", Facts((32, 32, 3), 0, 50_000), False, {}).settings.augment == "ada"
    assert cook("dcgan", Facts((32, 32, 3), 0, 100), False, {}).settings.batch_size == 64
    assert cook("dcgan", Facts((32, 32, 3), 0, 100), False, {"batch_size": 128}).settings.batch_size == 128


def test_the_choice_says_why():
    few, many = Facts((64, 64, 3), 0, 300), Facts((32, 32, 3), 10, 60_000)
    assert choose(few, True).name == "dcgan"
    assert "300 pictures of 64x64" in choose(few, True).why
    assert "DiffAugment" in choose(few, True).why
    assert choose(few, False).name == "stylegan2"
    assert (choose(many, False).name, choose(many, True).name) == ("r3gan", "dcgan")
    assert "DiffAugment" not in choose(many, True).why
    odd = choose(Facts((36, 100, 3), 0, 300), False)
    assert odd.name == "dcgan"
    assert "r3gan does not reach" in odd.why
    assert choose(Facts((10, 10, 3), 0, 300), True).name == "r3gan"
    assert choose(Facts((9, 9, 3), 0, 300), True).name == "dcgan"  # nothing reaches them: the error says what does


def test_projected_says_what_it_does_not_take():
    for facts, word in ((Facts((32, 32, 4)), "--channels 3"), (Facts((32, 32, 3), 5), "--labels")):
        with pytest.raises(ValueError, match=word):
            cook("projected", facts, True, {})
    with pytest.raises(ValueError, match="--gamma"):
        cook("projected", Facts((32, 32, 3)), True, {"gamma": 1.0})


PAPERS = {  # recipe -> the experiment that has the same networks, and its data
    "dcgan": ("cifar10_dcgan", Facts((32, 32, 3))),
    "sngan": ("cifar10_sngan", Facts((32, 32, 3))),
    "wgan_gp": ("cifar10_wgan_gp", Facts((32, 32, 3))),
    "sagan": ("cifar10_sagan", Facts((32, 32, 3), 10)),
    "biggan": ("cifar10_biggan", Facts((32, 32, 3), 10)),
    "biggan at 128": ("imagenet128_biggan", Facts((128, 128, 3), 1000)),
    "r3gan": ("cifar10_r3gan", Facts((32, 32, 3), 10)),
    "stylegan2": ("cifar10_stylegan2_ada", Facts((32, 32, 3), 10)),
}
PLAYERS = ("generator", "discriminator")
OTHERWISE = {("stylegan2", "discriminator")}  # the authors' configuration "cifar" has no residual connections there


@pytest.mark.parametrize(
    ("case", "player"), [(case, player) for case in PAPERS for player in PLAYERS if (case, player) not in OTHERWISE]
)
def test_the_paper_scale_has_the_networks_of_the_full_size_experiments(case, player):
    """By names and shapes of all parameters: two ways to say one network must not drift apart."""
    experiment, facts = PAPERS[case]
    recipe = cook(case.split()[0], facts, False, {})
    module = import_module(f"experiments.full_size.{experiment}")
    built = module.build(module.Config(), facts.shape, facts.classes)
    assert recipe.settings.latent == module.Config().latent
    ours, theirs = (
        parameters(nets[player], player, facts, recipe.settings.latent)
        for nets in (recipe.networks, built.game.networks)
    )
    assert ours == theirs
    assert len(jax.tree.leaves(ours)) > 8


def parameters(network, player, facts, latent):
    shape = (4, latent) if player == "generator" else (4, *facts.shape)
    given = [jax.ShapeDtypeStruct(shape, jnp.float32)]
    given += [jax.ShapeDtypeStruct((4,), jnp.int32)] if facts.classes else []
    keys = {name: jax.random.key(0) for name in ("params", "global", "latent")}
    return jax.tree.map(jnp.shape, jax.eval_shape(lambda *xs: network.init(keys, *xs), *given)["params"])
