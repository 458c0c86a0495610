"""What a game and its state say of themselves, in a terminal and in a notebook."""

import jax
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import mlp

NETWORKS = {"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}
BATCH = {"x": np.ones((8, 2), np.float32)}


def game():
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.adam(0.1), n_critic=2)
    return jg.game(NETWORKS, system, ema={"generator": 0.9})


def test_a_train_state_is_a_line():
    made = game()
    state = made.init(jax.random.key(0), BATCH)
    words = repr(state)
    assert words == "TrainState(step=0, parameters: discriminator 17, generator 26; averages of generator)"
    assert "<td>generator</td><td>26</td><td>0</td><td>yes</td>" in state._repr_html_()
    abstract = jax.eval_shape(made.init, jax.random.key(0), BATCH)
    assert repr(abstract).startswith("TrainState(step=[], parameters: discriminator 17")
    shown = []

    @jax.jit
    def inside(state):
        shown.append(repr(state))
        return state.step

    inside(state)
    assert shown[0].startswith("TrainState(step=[]")


def test_a_game_shows_its_players():
    html = game()._repr_html_()
    assert "<td>discriminator</td><td>discriminator: Discriminator</td><td>2</td>" in html
    assert "(nobody)" not in html
    odd = jg.Game(*(None,) * 3, networks={}, system=jg.System({}, None, None, ("<b>",)))
    assert "<td>&lt;b&gt;</td>" in odd._repr_html_()


def test_images_show_themselves():
    picture = jg.show(np.zeros((5, 4, 6, 3), np.float32), columns=3, scale=2)
    assert picture.size == (3 * 6 * 2, 2 * 4 * 2)
    assert picture._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="scale >= 1; got 0"):
        jg.show(np.zeros((1, 4, 4, 1), np.float32), scale=0)
