"""What the page draws, without the page: every dial, that none compiles anew, and what cannot be explored."""

import dataclasses
import sys
import threading

import jax
import numpy as np
import pytest

import jaxgan as jg
from jaxgan import priors
from jaxgan.commands.main import main
from jaxgan.explore import real, views
from jaxgan.explore.files import latents_file, read_latents
from jaxgan.explore.wishes import Controls, Wish, wish_of
from jaxgan.runs.loading import load


@pytest.fixture(scope="module")
def view(digits):
    return views.open_view(digits)[0]


@pytest.fixture(scope="module")
def styles(styled):
    return views.open_view(styled)[0]


def differ(one, other):
    return [bool((a != b).any()) for a, b in zip(one, other, strict=True)]


def test_a_seed_s_samples_are_those_of_jaxgan_sample(view, digits, tmp_path):
    shown = view.draw(Wish(seed=3, n=4, y=7))
    drawn = jg.load(digits)(4, seed=3, y=7)
    assert (views.as_bytes(drawn) == shown.images).all()
    assert main(["sample", str(digits), "--n", "4", "--seed", "3", "--y", "7", "--images", str(tmp_path)]) == 0
    from PIL import Image

    files = sorted(tmp_path.glob("*.png"))
    assert (np.stack([np.asarray(Image.open(file)) for file in files]) == shown.images[..., 0]).all()


@pytest.mark.parametrize(
    "turned",
    [
        {"seed": 2},
        {"y": 5},
        {"truncation": 0.5},
        {"plane": (0.5, -0.5)},
        {"blend": 0.4},
        {"along": (0.5, 0, 0, 0, 0)},
        {"along": (0, 0, 0, 0, 0.5)},
    ],
    ids=str,
)
def test_every_dial_moves_every_picture(view, turned):
    start = Wish(y=3)
    assert all(differ(view.draw(start).images, view.draw(start._replace(**turned)).images))


def test_classes_come_one_after_the_other_or_alone(view):
    assert view.controls.classes == 10
    in_turn = view.draw(Wish(n=16))
    assert in_turn.inputs["y"].tolist() == [*range(10), *range(6)]
    alone = view.draw(Wish(n=16, y=3))
    assert differ(in_turn.images, alone.images) == [k not in (3, 13) for k in range(16)]


def test_the_end_of_the_way_is_the_other_seed(view):
    assert not any(differ(view.draw(Wish(blend=1.0, other=5)).images, view.draw(Wish(seed=5)).images))


def test_truncated_latents_are_those_of_the_prior_of_that_bound(view):
    width = view.draw(Wish()).inputs["z"].shape[1]
    for bound in (0.3, 1.0):
        expected = priors.truncated_normal(width, bound)(jax.random.key(4), 4)
        np.testing.assert_allclose(view.draw(Wish(seed=4, truncation=bound)).inputs["z"], expected, atol=1e-5)


def test_normal_latents_keep_their_length_on_the_plane_and_on_the_way(view):
    rest, moved = (np.linalg.norm(view.draw(wish).inputs["z"], axis=1) for wish in (Wish(), Wish(plane=(0.7, 1))))
    np.testing.assert_allclose(moved, rest, rtol=1e-5)


@pytest.mark.parametrize("name", ["view", "styles"])
def test_a_saved_latent_makes_the_picture_again(name, request):
    view = request.getfixturevalue(name)
    wish = Wish(seed=8, truncation=0.7, plane=(0.3, 0.1), blend=0.2, along=(0.2,), mixed=min(2, view.controls.layers))
    shown = view.draw(wish)
    for k in range(4):
        inputs = read_latents(latents_file(shown.inputs, k), shown.inputs)
        assert (view.again(inputs)[0] == shown.images[k]).all()


def test_no_dial_compiles_anew(digits):
    run = load(digits)
    traces = []

    def generate(*given):
        traces.append(1)
        return run.experiment.game.generate(*given)

    game = run.experiment.game._replace(generate=generate)
    counted = views.view_of_run(run._replace(experiment=run.experiment._replace(game=game)), digits)
    counted.draw(Wish())
    before = len(traces)
    for k in range(5):
        dials = {"truncation": 0.5 + k / 10, "plane": (k / 10, 0.0), "blend": k / 10, "along": (k / 10,) * 5}
        counted.draw(Wish(seed=k, other=k + 1, y=k, **dials))
    assert len(traces) == before
    counted.draw(Wish(n=1))
    assert len(traces) == before + 1


def test_styles_are_mixed_truncated_and_moved(styles):
    layers = styles.controls.layers
    rest = styles.draw(Wish(truncation=1.0))
    assert layers == 6
    assert rest.inputs["w"].shape[1] == layers
    other = styles.draw(Wish(seed=1, truncation=1.0))
    assert not any(differ(styles.draw(Wish(other=1, mixed=layers, truncation=1.0)).images, other.images))
    mixed = styles.draw(Wish(other=1, mixed=2, truncation=1.0)).inputs["w"]
    assert (mixed[:, :-2] == rest.inputs["w"][:, :-2]).all()
    np.testing.assert_allclose(mixed[:, -2:], other.inputs["w"][:, -2:], atol=1e-5)
    alike = styles.draw(Wish(truncation=0.0)).images
    assert (alike == alike[:1]).all()
    assert all(differ(styles.draw(Wish(truncation=1.0, along=(0.5,))).images, rest.images))
    assert all(differ(styles.draw(Wish(truncation=1.0, plane=(0.5, 0.5))).images, rest.images))


def test_styles_without_a_dial_are_those_of_jaxgan_sample(styles, styled):
    drawn = views.as_bytes(jg.load(styled)(4, seed=2)).astype(int)
    assert abs(drawn - styles.draw(Wish(seed=2, truncation=1.0)).images).max() <= 1  # two programs, rounded apart


def test_the_nearest_real_picture_of_a_copy_is_its_original(digits):
    training, size = real.training_pictures(load(digits))
    assert len(training) == size
    near = real.nearest(views.as_bytes(training[[5, 40]]), training, size)
    assert (near.images[:, 0] == views.as_bytes(training[[5, 40]])).all()
    assert near.distances[:, 0].max() < 0.01 < near.distances[:, 1].min()


def test_a_translator_answers_pictures(translator):
    view, run = views.open_view(translator)
    assert view.controls.pictures == {"a": (16, 16, 3)}
    given = real.held_out_pictures(run)["a"][:2]
    inputs = {"seed": np.zeros(2, np.int32), "index": np.arange(2, dtype=np.int32), "a": given}
    assert (view.again(inputs) == views.as_bytes(jg.load(translator)(2, a=given))).all()
    moved = run._replace(config=dataclasses.replace(run.config, path="/nowhere"))
    gone = moved.experiment._replace(inputs=lambda n: moved.module.held_out(moved.config))
    assert real.held_out_pictures(moved._replace(experiment=gone)) == {}


def test_an_export_is_explored_by_seed_and_class(digits, tmp_path):
    assert main(["export", str(digits), "--out", str(tmp_path / "export")]) == 0
    view, run = views.open_view(tmp_path / "export")
    assert run is None
    assert view.controls == Controls(10, tuple("0123456789"))
    whole = views.open_view(digits)[0]
    for y in (None, 3):
        drawn = view.draw(Wish(seed=1, y=y)).images.astype(int)
        assert abs(drawn - whole.draw(Wish(seed=1, y=y)).images).max() <= 1


def test_what_cannot_be_explored_is_one_clear_line(digits, tmp_path, capsys, monkeypatch):
    run = load(digits)
    game = run.experiment.game
    for system, shape, words in (
        (game.system._replace(asks={"hole": "where"}), None, r"is asked with \['hole'\], which the page cannot give"),
        (game.system, (5,), r"makes arrays \[5\]; the page shows pictures"),
    ):

        def generate(state, key, inputs, shape=shape):
            made = game.generate(state, key, inputs)
            return made if shape is None else made.reshape(len(made), -1)[:, :5]

        other = run.experiment._replace(game=game._replace(system=system, generate=generate))
        with pytest.raises(ValueError, match=words):
            views.view_of_run(run._replace(experiment=other), digits)
    before = set(threading.enumerate())
    assert main(["explore", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not set(threading.enumerate()) - before  # the import of Gradio, which would undo the next line, has ended
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["explore", str(digits)]) == 2
    assert capsys.readouterr().err == "error: the page is made with Gradio: pip install 'jaxgan[explore]'\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"n": 1000}, "samples"),
        ({"n": 2}, "samples"),
        ({"y": 11}, "class"),
        ({"truncation": float("nan")}, "truncation"),
        ({"truncation": 0.0}, "truncation"),
        ({"plane": [0.0]}, "plane"),
        ({"plane": "<b>"}, "plane"),
        ({"plane": [2.0, 0.0]}, "plane"),
        ({"blend": True}, "way"),
        ({"mixed": 1}, "mixed"),
        ({"along0": 1e9}, "direction"),
    ],
    ids=str,
)
def test_what_a_browser_sends_is_checked(given, words):
    controls = Controls(classes=10, latents=True, truncation=(0.1, 3.0), directions=1)
    with pytest.raises(ValueError, match=words):
        wish_of(given, controls)
    assert wish_of({"y": 10, "plane": [0, 1], "along0": 1}, controls) == Wish(y=9, plane=(0.0, 1.0), along=(1.0,))
