"""The package imports its rooms when they are used, and `game` and `sample` are functions in whatever order."""

import subprocess
import sys

import jaxgan

# Every order in which a program may come to the two names that are a room and a function; each is run afresh.
ORDERS = """
import jaxgan.game; import jaxgan.sample
import jaxgan.sample; import jaxgan.game
from jaxgan.game import frozen; from jaxgan import game; assert callable(game)
from jaxgan import game, sample; assert callable(game) and callable(sample)
from jaxgan import sample; import jaxgan.sample; assert callable(sample)
import jaxgan; jaxgan.game; jaxgan.sample; import jaxgan.game, jaxgan.sample
import jaxgan; jaxgan.systems; jaxgan.losses.hinge; jaxgan.frozen
import jaxgan.systems.gan; import jaxgan.samplers
import jaxgan.runs.start
import importlib; importlib.import_module("jaxgan.game"); importlib.import_module("jaxgan.sample")
import jaxgan.game as game; assert callable(game)
from jaxgan import *; assert callable(game) and callable(sample) and callable(losses.hinge.generator)
"""
PROGRAM = f"""
import sys
for order in {ORDERS!r}.strip().splitlines():
    for name in [name for name in sys.modules if name.split(".")[0] == "jaxgan"]:
        del sys.modules[name]
    exec(order, {{}})
    import jaxgan
    assert callable(jaxgan.game) and callable(jaxgan.sample), order
    assert jaxgan.game is sys.modules["jaxgan.game"].game and jaxgan.sample is sys.modules["jaxgan.sample"].sample
    assert jaxgan.frozen is sys.modules["jaxgan.game"].frozen
"""


def test_two_names_are_functions_whatever_is_imported_first():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_the_package_offers_all_of_its_names_and_no_others():
    assert set(jaxgan.__all__) <= set(dir(jaxgan))
    assert all(getattr(jaxgan, name) is not None for name in jaxgan.__all__)
    assert not hasattr(jaxgan, "gam")
    assert jaxgan.game.__module__ == "jaxgan.game"
