"""`python -m experiments.seeds NAME [--seeds 16] [--flag value ...]` runs an experiment for many seeds at once."""

import sys
from collections.abc import Sequence

from experiments import EXPERIMENTS
from jaxgan.runs.compiled import keep_compiled
from jaxgan.runs.terminal import fail, hint, leave, print_any_name


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code, 0, or 2 for bad input."""
    words = list(sys.argv[1:] if words is None else words)
    name = words[0] if words else ""
    if name not in EXPERIMENTS:
        return fail(f"usage: python -m experiments.seeds NAME [--flag value ...]; {hint(name, EXPERIMENTS)}")

    from jaxgan.runs.flags import parse_two, reported  # JAX and the experiment are imported from here on
    from jaxgan.runs.modules import bundled
    from jaxgan.runs.seeds import Many, run_seeds

    def work() -> int:
        definition = bundled(name)
        module, program = definition.module, f"python -m experiments.seeds {name}"
        smoke = getattr(module, "SMOKE", {}), {"evaluations": 1}
        config, many = parse_two(module.Config, Many, words[1:], program, module.__doc__, smoke=smoke)
        return run_seeds(definition, config, many)

    return reported(work)


if __name__ == "__main__":
    print_any_name()
    leave(main(keep_compiled(sys.argv[1:])))
