"""What a game and its state say of themselves, in a terminal and in a notebook."""

import json
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.evaluation import Examples, Figures, evaluate, read_figures
from jaxgan.export.loaded import Loaded
from jaxgan.metrics.protocol import Figure, Protocol, to_json
from jaxgan.networks import mlp
from jaxgan.runs.loading import Trained

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


HOW = Protocol("held-out <b>", "digits", "test", 90, 80, (8, 8, 1), "none", "pixels", "none", True, None, seed=0)
RECALL = Figure("recall", 0.5, 0.4, 0.6, "higher", HOW)


def test_an_evaluation_is_a_table():
    x = np.random.default_rng(0).normal(size=(40, 2))
    figures = evaluate(Examples(None, x), Examples(None, x + 1), HOW, ["frechet"], resamples=0)
    words = repr(figures)
    assert "frechet distance v 2" in words
    assert "held-out <b>: 80 samples" in words
    assert len(words.splitlines()) == 3
    html = Figures(recall=RECALL)._repr_html_()
    assert "<td>recall</td><td>0.5 [0.4, 0.6]</td><td>higher</td>" in html
    assert "held-out &lt;b&gt;: 80 samples" in html
    assert repr(RECALL) == "Figure(recall 0.5 [0.4, 0.6], higher is better, by 'held-out <b>')"


@pytest.fixture
def run(tmp_path):
    """What the folder of a run shows, whose name and words are those of a stranger."""
    folder = tmp_path / "a<b>"
    (folder / "samples").mkdir(parents=True)
    page = {"status": "finished", "seconds": 9.5, "figures": {"<i>": 1.25, "odd": "<u>"}, "protocol": "<s>\n\x1b" * 99}
    (folder / "summary.json").write_text(json.dumps(page))
    jg.save_grid(folder / "samples" / "000007.png", np.zeros((4, 4, 4, 1), np.float32))
    (folder / "samples" / "real.png").write_text("no picture")
    return folder


def test_a_run_shows_figures_and_samples(run):
    made = game()
    state = made.init(jax.random.key(0), BATCH)
    trained = Trained(None, None, None, state, 8, BATCH, run)
    words, html = repr(trained), trained._repr_html_()
    assert f"Run {run}: finished after 9.5 s" in words
    assert "generator 26" in words
    assert "<i> 1.25" in words
    assert len(words.splitlines()) <= 15
    assert max(map(len, words.splitlines())) < 300
    assert "<td>&lt;i&gt;</td><td>1.25</td>" in html
    assert 'alt="samples 000007" src="data:image/png;base64,iVBOR' in html
    assert not any(bad in html for bad in ("<i>", "<u>", "<s>", "a<b>", "http"))
    assert "generator(n=64, seed=0, y=...)" in repr(Loaded(made, state, {"y": "labels <b>"}, run))
    (run / "evaluation.json").write_text(json.dumps({"figures": {"recall": to_json(RECALL)}}))
    assert read_figures(run / "evaluation.json") == {"recall": RECALL}
    assert "recall 0.5 [0.4, 0.6]" in repr(trained)
    assert "labels &lt;b&gt;" in Loaded(made, state, {"y": "labels <b>"}, run)._repr_html_()


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"figures": 3, "status": 1, "protocol": []}', '{"figures": {"recall": 1}}']
)
def test_a_torn_run_shows_what_is_left(run, text):
    for name in ("summary.json", "evaluation.json"):
        (run / name).write_text(text)
    (run / "samples" / "000008.png").write_text("<script>")
    trained = Trained(None, None, None, game().init(jax.random.key(0), BATCH), 8, BATCH, run)
    assert "TrainState(step=0" in repr(trained)
    assert "script" not in trained._repr_html_()


def test_an_export_says_how_it_is_asked():
    weights = {"generator/kernel": np.zeros((3, 4), np.float32)}
    state = jg.TrainState(None, None, weights, {}, {}, {})
    loaded = Loaded(jg.Game(None, None, None), state, {"y": "int32[n]"}, Path("exported"))
    assert repr(loaded) == "Export exported: 12 numbers\n  call it: generator(n=64, seed=0, y=...)"
    assert "<td>y</td><td>int32[n]</td>" in loaded._repr_html_()


def test_a_sweep_shows_its_members():
    made = game()
    sweep = jg.parallel.sweep(made, range(12))
    words = repr(sweep)
    assert words.startswith("Sweep of 12 runs, used like their game\n  0: seed 0\n")
    assert words.endswith("... and 2 more")
    assert "<td>11</td><td>11</td>" in sweep._repr_html_()
    assert "and 100 more" in jg.parallel.sweep(made, range(200))._repr_html_()
    state = made.init(jax.random.key(0), BATCH)
    states = jax.tree.map(lambda leaf: np.stack([leaf] * 3), state._replace(key=None))
    expected = "TrainState(3 members, step=0, parameters: discriminator 17, generator 26; averages of generator)"
    assert repr(states) == expected
    assert "<p>Train states of 3 members after step 0</p>" in states._repr_html_()
    assert "<td>generator</td><td>26</td>" in states._repr_html_()
    assert "step=0 to 2" in repr(states._replace(step=np.arange(3)))
