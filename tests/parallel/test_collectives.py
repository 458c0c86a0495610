"""What a step sends, read from its compiled program: gradients once, and little else."""

import jax
import numpy as np
import pytest

from benchmarks.collectives import collectives, games, gradient_bytes
from jaxgan.parallel import data_parallel


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
@pytest.mark.parametrize("kind", ["wgan_gp", "hinge_bn"])
def test_gradients_are_sent_once(kind, mode):
    game = games("batch" if mode == "pmap" else None)[kind]
    parallel = data_parallel(game, mode)
    batch = {"x": np.zeros((16 * game.updates, 28, 28, 1), np.float32)}
    state = parallel.init(jax.random.key(0), batch)
    count, moved = collectives(parallel.step.lower(state, parallel.place(batch)).compile().as_text())
    if kind == "wgan_gp":
        assert count == game.updates + 1  # one for each player update, metrics and all
    if mode == "pmap":
        assert gradient_bytes(game, state) <= moved <= 1.05 * gradient_bytes(game, state)


def test_counting_reads_tuples_and_comments():
    program = """
      %a = (f32[64]{0}, f32[784,64]{1,0}, /*index=2*/bf16[3]{0}) all-reduce(%x, %y, %z), to_apply=%add
      %b = f32[] all-reduce-start(%w)
      %c = f32[5]{0} add(%p, %q)
    """
    assert collectives(program) == (2, 4 * 64 + 4 * 784 * 64 + 2 * 3 + 4)
