"""`python -m experiments.seeds`: many seeds in one program, each the run that it would be alone."""

import json

import jax
import pytest

import jaxgan as jg
from experiments.seeds import main
from experiments.toys import ring
from jaxgan.types import name_index

TINY = ("--batch-size", 8, "--width", 8, "--steps", 6, "--evaluations", 2)


def words(*more):
    return [str(word) for word in more]


def test_members_are_solo_runs_with_mean_and_interval(tmp_path, capsys):
    assert main(words("ring", *TINY, "--seed", 3, "--seeds", 2, "--mode", "map", "--std", 1, "--out", tmp_path)) == 0
    (folder,) = (tmp_path / "ring-seeds").iterdir()
    page = json.loads((folder / "seeds.json").read_text())
    assert page["seeds"] == [3, 4]
    assert (page["mode"], page["steps"]) == ("map", [3, 6])
    printed = capsys.readouterr().out
    assert "2 seeds at once, map: as was asked" in printed
    for member, seed in enumerate(page["seeds"]):
        config = ring.Config(seed=seed, batch_size=8, width=8, steps=6, std=1.0)
        source = ring.source(config)
        read = jg.data.batch_at(source, 8, seed)
        game = ring.build(config, (2,), 0).game
        state = game.init(jax.random.key(seed), read(0))
        step = jax.jit(game.train_step)
        for k in range(6):
            state, _ = step(state, read(k))
        judge = ring.judge(config, tmp_path)
        key = jax.random.fold_in(state.key, name_index("judgement"))
        alone = judge.judge(jg.sample(game, state, key, n=judge.samples)).figures
        assert alone["high_quality"] > 0  # so wide a ring is hit by chance: the figures say something
        assert page["figures"][-1][member] == pytest.approx(alone, rel=1e-6)
    drawn = {path.name for path in folder.iterdir()}
    assert {"modes.png", "high_quality.png"} <= drawn


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "usage: python -m experiments.seeds"),
        (("rign",), "did you mean 'ring'?"),
        (("ring", "--seeds", 1), "--seeds of 2 or more"),
        (("ring", *TINY[:-1], 7), "--evaluations in 1..6"),
        (("ring", "--smoke", "--seeds", 3, "--spread"), "cannot be shared out equally over 8 devices"),
        (("ring", "--sede", 1), "--sede"),
    ],
)
def test_bad_input_is_one_line(flags, says, tmp_path, capsys):
    assert main(words(*flags, *(("--out", tmp_path / "runs") if flags else ()))) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert not (tmp_path / "runs").exists()
