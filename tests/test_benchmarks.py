"""The benchmarks: operations counted right, ratios of fake clocks, the listing, and a smoke run of each small one."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from benchmarks import __main__ as command
from benchmarks import accelerator, convolutions, costs, games, limit, memory, operations, pairs, peers, scaling

ROOT = Path(__file__).parents[1]
NHWC = ("NHWC", "HWIO", "NHWC")


def ones(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def conv(strides=(1, 1), padding="SAME", **settings):
    return lambda x, kernel: lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=NHWC, **settings)


def gradients(layer):
    """Of a layer's input and kernel."""
    return jax.grad(lambda x, kernel: jnp.sum(jnp.square(layer(x, kernel))), argnums=(0, 1))


def scanned(x, a):
    return lax.scan(lambda h, _: (jnp.tanh(h @ a), None), x, None, length=5)[0]


def branched(x, a):
    return lax.cond(jnp.sum(x) > 0, lambda: x @ a @ a, lambda: x)


# By hand: 2 * (elements of the result) * (products summed in each), holes left out, padding counted.
CASES = {
    "plain": (conv(), (ones(2, 8, 8, 3), ones(3, 3, 3, 5)), 2 * (2 * 8 * 8 * 5) * (3 * 3 * 3)),
    "valid": (conv(padding="VALID"), (ones(2, 8, 8, 3), ones(3, 3, 3, 5)), 2 * (2 * 6 * 6 * 5) * (3 * 3 * 3)),
    "strided": (conv((2, 2)), (ones(2, 8, 8, 3), ones(4, 4, 3, 5)), 2 * (2 * 4 * 4 * 5) * (4 * 4 * 3)),
    "dilated": (conv(rhs_dilation=(2, 2)), (ones(2, 8, 8, 3), ones(3, 3, 3, 5)), 2 * (2 * 8 * 8 * 5) * (3 * 3 * 3)),
    # of 4 x 4 taps on an input with holes, 2 x 2 meet an entry
    "transposed": (
        conv(padding=((2, 2), (2, 2)), lhs_dilation=(2, 2)),
        (ones(2, 4, 4, 3), ones(4, 4, 3, 5)),
        2 * (2 * 8 * 8 * 5) * (2 * 2 * 3),
    ),
    "grouped": (conv(feature_group_count=2), (ones(2, 8, 8, 6), ones(3, 3, 3, 4)), 2 * (2 * 8 * 8 * 4) * (3 * 3 * 3)),
    "batch groups": (conv(batch_group_count=2), (ones(4, 8, 8, 3), ones(3, 3, 3, 4)), 2 * (2 * 8 * 8 * 4) * 27),
    # forward, for the square's derivative, and two gradients of as many operations each
    "gradients": (gradients(conv((2, 2))), (ones(2, 8, 8, 3), ones(4, 4, 3, 5)), 3 * 2 * (2 * 4 * 4 * 5) * (4 * 4 * 3)),
    "dot": (jnp.matmul, (ones(16, 32), ones(32, 8)), 2 * 16 * 8 * 32),
    "batched dot": (jnp.matmul, (ones(3, 16, 32), ones(3, 32, 8)), 2 * 3 * 16 * 8 * 32),
    "scan": (scanned, (ones(8, 16), ones(16, 16)), 5 * 2 * 8 * 16 * 16),
    "branch": (branched, (ones(8, 16), ones(16, 16)), 2 * 2 * 8 * 16 * 16),
}


@pytest.mark.parametrize("name", CASES)
def test_operations_are_those_counted_by_hand(name, optimized):
    function, arguments, expected = CASES[name]
    counts = operations.compiled(jax.jit(function).lower(*arguments).compile().as_text())
    assert operations.analytic(function, *arguments) == expected
    assert counts.convolutions + counts.dots == expected
    assert sum(each.operations for each in counts.largest) == expected
    assert not counts.opaque


def test_only_the_entry_and_what_it_calls_count():
    program = """HloModule m
%unused (p: f32[2,2]) -> f32[2,2] {
  %p = f32[2,2]{1,0} parameter(0)
  ROOT %d = f32[2,2]{1,0} dot(%p, %p), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%body (p: (s32[], f32[4,8])) -> (s32[], f32[4,8]) {
  %a = f32[4,8]{1,0} parameter(0)
  %b = f32[8,8]{1,0} parameter(1)
  ROOT %d.1 = f32[4,8]{1,0} dot(%a, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

ENTRY %main (x: f32[4,8]) -> f32[4,8] {
  %x = f32[4,8]{1,0} parameter(0)
  %r = (f32[4]{0}, /*index=1*/bf16[3]{0}) all-reduce(%x, %x), to_apply=%add
  %g = f32[8]{0} all-gather-start(%x), dimensions={0}
  %c = f32[4,8]{1,0} custom-call(%x), custom_call_target="mystery"
  ROOT %w = (s32[], f32[4,8]{1,0}) while(%x), body=%body, backend_config={"known_trip_count":{"n":"3"}}
}
"""
    counts = operations.compiled(program)
    assert counts.dots == 3 * 2 * 4 * 8 * 8
    assert counts.collectives == {"all-reduce": 1, "all-gather": 1}
    assert counts.sent == 4 * 4 + 3 * 2 + 8 * 4
    assert counts.opaque == {"mystery": 1}


def test_a_text_without_entry_is_refused():
    with pytest.raises(ValueError, match="no HLO text"):
        operations.compiled("module @jit_f {")


def test_what_no_result_needs_is_not_counted():
    def wasteful(x):
        _ = x @ x
        return x + 1

    assert operations.analytic(wasteful, ones(8, 8)) == 0


def test_peak_and_traces():
    counted, traces = operations.counted(lambda x: x @ x)
    compiled = jax.jit(counted)
    program = compiled.lower(ones(64, 64)).compile()
    compiled(jnp.ones((64, 64)))
    compiled(jnp.zeros((64, 64)))
    assert len(traces) == 1
    assert operations.peak_bytes(program) >= 2 * 64 * 64 * 4


def fake(costs):
    """Ways that cost so many seconds, and clocks that know; CPU time runs twice as fast."""
    now, log = [0.0], []

    def way(name):
        def run():
            log.append(name)
            now[0] += next(costs[name])

        return run

    return {name: way(name) for name in costs}, (lambda: now[0], lambda: 2 * now[0]), log


def test_ratios_are_pair_by_pair_and_the_order_turns():
    costs = {"ours": iter([9.0, 1.0, 2.0, 4.0]), "theirs": iter([9.0, 3.0, 4.0, 4.0])}
    ways, clocks, log = fake(costs)
    times = pairs.interleaved(ways, 3, clocks=clocks)
    assert log == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    compared = pairs.compared(times, "ours")
    assert compared["theirs"].wall_ratio == (1.5, 2.0, 2.5)  # of 3, 2 and 1
    assert compared["ours"].cpu_ratio == (1, 1, 1)
    assert compared["ours"].wall.median == 2
    assert compared["ours"].cpu.median == 4
    assert "2.00 [1.50 2.50]" in pairs.table("fake", compared, "ours")


def test_rounds_end_with_the_budget_but_three_are_played():
    ways, clocks, _ = fake({"slow": itertools.repeat(100.0)})
    assert len(pairs.interleaved(ways, 50, seconds=1.0, clocks=clocks)["slow"]) == 3
    ways, clocks, log = fake({"quick": itertools.repeat(1.0)})
    assert pairs.interleaved(ways, 2, calls=4, warm=0, clocks=clocks)["quick"] == [(1, 2), (1, 2)]
    assert len(log) == 8


def test_bad_comparisons_are_refused():
    with pytest.raises(ValueError, match="rounds >= 1"):
        pairs.interleaved({"a": lambda: None}, 0)
    with pytest.raises(ValueError, match="choose the base from"):
        pairs.compared({"a": [pairs.Time(1, 1)]}, "b")


def test_results_are_kept_with_their_names(tmp_path):
    bars = {"way": pairs.Quartiles(1.0, 2.0, 3.0)}
    pairs.write_json(tmp_path / "new" / "results.json", {"game": bars})
    stored = json.loads((tmp_path / "new" / "results.json").read_text())
    assert stored["results"] == {"game": {"way": {"low": 1.0, "median": 2.0, "high": 3.0}}}
    assert stored["machine"]["cores"] == os.cpu_count()
    pairs.draw_bars(tmp_path / "bars.svg", {"game": bars}, "ratio", line=1.0)
    assert "<svg" in (tmp_path / "bars.svg").read_text()


def test_games_say_what_they_take():
    with pytest.raises(ValueError, match="choose from"):
        games.measured("dcgna")
    with pytest.raises(ValueError, match="no sizes"):
        games.measured("ring", classes=3)
    assert games.parameters(games.measured("ring", features=8)) == (32 * 8 + 8) + 2 * (8 * 8 + 8) + 18 + (2 * 8 + 8) + 9


def test_every_benchmark_is_listed_and_names_its_command():
    lines = command.benchmarks()
    assert {"averages", "checkpoints", "sweep", "limit", "costs", "peers", "scaling", "memory", "accelerator"} <= set(
        lines
    )
    assert not {"pairs", "games", "operations", "naive", "sides", "torch_steps"} & set(lines)
    for name, line in lines.items():
        assert line, name
        text = (ROOT / "benchmarks" / f"{name}.py").read_text()
        assert f"benchmarks/{name}.py" in text or f"-m benchmarks.{name}" in text or f"-m benchmarks {name}" in text, (
            name
        )


def run(*arguments, **environment):
    given = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | environment
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        env=given,
    )
    return answer.returncode, answer.stdout, answer.stderr


def test_the_command_lists_without_jax_and_names_what_is_near():
    code, out, _ = run()
    assert code == 0
    assert "  limit " in out
    code, out, errors = run("collectves")
    assert (code, out, errors) == (2, "", "no benchmark 'collectves'; near: collectives\n")
    listing = (
        "import sys; sys.argv = ['x']; from benchmarks.__main__ import main; main(); assert 'jax' not in sys.modules"
    )
    answer = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr


def test_limit_smoke(tmp_path):
    path = tmp_path / "limit.json"
    code, out, errors = run("limit", "--smoke", "--games", "ring", "--worst", "1", "--json", str(path))
    assert code == 0, errors
    assert "ring" in out
    assert json.loads(path.read_text())["results"]["ring"]["operations"] > 5000


def test_limit_names_an_environment_without_torch():
    with pytest.raises(ValueError, match="cannot time operations"):
        limit.alone((), Path(sys.prefix))


def test_operations_of_one_form_are_put_together(optimized):
    program = jax.jit(lambda x, a: jnp.tanh(x @ a) @ a).lower(ones(16, 32), ones(32, 32)).compile()
    counts = operations.compiled(program.as_text())
    (both,) = operations.merged(counts.largest)
    assert (both.operations, both.runs) == (counts.dots, 2)
    assert both.operands == ((16, 32), (32, 32))
    other = both._replace(shape=(16, 8), operations=2 * counts.dots)
    assert operations.merged([both, other, other]) == (other._replace(operations=4 * counts.dots, runs=4), both)


@pytest.mark.parametrize("part", convolutions.PARTS)
def test_forms_of_convolutions_are_the_same_function(part):
    """By shapes: `measured` compares the numbers in every run."""
    for contest in convolutions.PARTS[part]():
        shapes = {form: jax.eval_shape(f, *contest.arguments) for form, f in contest.forms.items()}
        assert len(shapes) > 1
        assert all(each == shapes[convolutions.OURS] for each in shapes.values()), contest.title


def test_convolutions_measures_one_part(tmp_path):
    path = tmp_path / "convolutions.json"
    code, out, errors = run("convolutions", "--part", "few", "--rounds", "1", "--json", str(path))
    assert code == 0, errors
    assert "32x32x32x64->3" in out
    assert set(json.loads(path.read_text())["results"]["few"]["32x32x32x64->3"]) == {"ours", "lax"}


def test_a_form_with_other_numbers_is_no_contestant():
    forms = {convolutions.OURS: lambda x: x, "twice": lambda x: 2 * x}
    with pytest.raises(ArithmeticError, match="'twice' differs from ours"):
        convolutions.measured(convolutions.Contest("doubling", forms, (jnp.ones(3),)), 1, 1.0)


def test_scaling_counts_what_devices_send(tmp_path):
    path = tmp_path / "scaling.json"
    flags = ("--batches", "4", "--widths", "--devices", "2", "--batch", "4", "--width", "4", "--rounds", "1")
    code, out, errors = run("scaling", "--game", "ring", *flags, "--json", str(path))
    assert code == 0, errors
    assert "2 all-reduce" in out
    two = scaling.Spread(**json.loads(path.read_text())["results"]["devices"]["2"])
    weights = games.parameters(games.measured("ring", batch=4, features=4))
    assert two.gradients == 4 * weights
    assert two.gradients <= two.sent <= 1.3 * two.gradients  # and a few metrics


def test_memory_names_the_games_that_cannot_recompute(optimized):
    case = games.tiny("ring")
    ring = memory.need(games.lowered(case).compile())
    assert ring.peak >= ring.arguments > 4 * 3 * games.parameters(case)  # with Adam's two moments
    with pytest.raises(ValueError, match="remat"):
        memory.recomputed("ring", {"features": 4}, 1, 1.0)


def test_a_networks_missing_field_is_named():
    with pytest.raises(ValueError, match=r"mlp\.Generator has no field `remat`"):
        games.made(games.mlp.Generator, True)
    assert games.made(games.mlp.Generator, False, shape=(3,)).shape == (3,)


def test_accelerator_smoke(tmp_path):
    path = tmp_path / "accelerator.json"
    code, out, errors = run("accelerator", "--smoke", "--cases", "dcgan64", "--json", str(path))
    assert code == 0, errors
    assert "device: cpu" in out
    each = json.loads(path.read_text())["results"]["dcgan64, bfloat16"]
    assert each["share_of_peak"] is None
    assert each["steps"] >= 3
    assert 0 <= each["waiting"] <= 1
    assert each["operations"] > 1e6


def test_accelerator_ends_a_case_that_takes_too_long():
    assert "did not end within its 0 seconds" in accelerator.elsewhere("dcgan64", "float32", 0.01, True)["missing"]


def test_peaks_are_of_the_longer_name_first():
    assert accelerator.peak("NVIDIA H200", "bfloat16") == 989.4e12
    assert accelerator.peak("NVIDIA H100 PCIe", "float32") == 378e12
    assert accelerator.peak("NVIDIA A100-SXM4-80GB", "float32") == 156e12
    assert accelerator.peak("cpu", "float32") is None


def test_full_size_games_are_as_large_as_published():
    """By shapes alone: BigGAN's parameters are those of its author's networks."""
    game, sizes = accelerator.SIZES["biggan128"]
    assert games.parameters(games.measured(game, **sizes | {"batch": 2})) == 70_433_988 + 87_982_370
    assert set(accelerator.SMOKE) == set(accelerator.SIZES)


def test_peers_says_what_is_missing(tmp_path):
    code, _, errors = run("peers", "--environment", str(tmp_path))
    assert code == 1
    assert errors == f"no environment in {tmp_path}; make it with --make, or name another one\n"
    code, _, errors = run("peers", "--environment", str(tmp_path), "--r3gan", str(tmp_path / "clone"))
    assert code == 1
    assert "is no folder; clone the repository" in errors


def test_peers_reports_tables_losses_and_reasons():
    each = pairs.compared({"jaxgan": [pairs.Time(1, 1)], "torch eager": [pairs.Time(2, 3)]}, "jaxgan")
    stored = pairs.named(each)
    assert {way: peers.restored(s) for way, s in stored.items()} == each
    losses = {"jaxgan": (1.4, 0.7), "torch eager": (1.3, 0.8)}
    result = {
        "parameters": 10,
        "losses": losses,
        "comparisons": stored,
        "missing": {"torch compiled": "OSError: no g++"},
    }
    text = peers.report("dcgan", result)
    assert "3.00 [3.00 3.00]" in text
    assert "torch eager 1.30 0.80" in text
    assert "torch compiled was not measured: OSError: no g++" in text


def test_programs_to_be_counted_compile_as_a_users_do():
    clean = costs.environment({"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "XLA_FLAGS": "--xla_foo", "HOME": "/home"})
    assert clean["HOME"] == "/home"
    assert "JAX_DISABLE_MOST_OPTIMIZATIONS" not in clean
    assert clean["XLA_FLAGS"] == "--xla_force_host_platform_device_count=2"
