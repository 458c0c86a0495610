"""`--precision`: what the digits' networks compute in, and whether their losses are scaled."""

import json
import re

import jax
import jax.numpy as jnp
import pytest

from experiments.__main__ import main
from experiments.digits import dcgan as digits
from experiments.yours import tfds
from jaxgan.precision import ScaledState


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_flag_chooses_the_dtype_and_the_scale(precision, key):
    config = digits.Config(precision=precision, generator_features=2, discriminator_features=2)
    game = digits.build(config, (32, 32, 1), 0).game
    batch = {"x": jnp.zeros((4, 32, 32, 1))}
    state = jax.eval_shape(game.init, key, batch)
    scaled = [isinstance(opt_state, ScaledState) for opt_state in state.opt_state.values()]
    assert scaled == [precision == "float16"] * 2
    program = str(jax.make_jaxpr(game.train_step)(state, batch))
    expected = {"float32": set(), "bfloat16": {"bf16"}, "float16": {"f16"}}[precision]
    assert set(re.findall(r"\b(?:bf|f)16(?=\[)", program)) == expected


def test_experiments_without_the_field_compute_in_float32():
    assert digits.build(tfds.Config(generator_features=2), (32, 32, 3), 0).classes == 0
    assert digits.Config().precision == "float32"


def test_a_smoke_run_in_float16(tmp_path):
    assert main(["digits", "--smoke", "--precision", "float16", "--out", str(tmp_path), "--id", "half"]) == 0
    run = tmp_path / "digits" / "half"
    assert json.loads((run / "config.json").read_text())["config"]["precision"] == "float16"
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    scales = [value for row in rows for name, value in row.items() if name.endswith("/loss_scale")]
    assert len(scales) == 8  # two players, four steps
    assert set(scales) <= {2.0**power for power in range(11, 16)}  # four steps halve it four times at most
