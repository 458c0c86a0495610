"""The library's shape: imports point up only, importing is light, and everything public says what it is."""

import ast
import importlib
import inspect
import pkgutil
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxgan
from tests import registry

ROOT = Path(jaxgan.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# Rooms by the order in which data flows; a room imports from rooms before it, and from itself.
ORDER = (
    {"types", "pages"},
    {"checks"},
    {"data", "priors"},
    {"networks"},
    {"diffusion"},
    {"losses", "penalties", "augment"},
    {"dynamics", "estimators", "optimizers", "precision"},
    {"nets"},
    {"recording", "rules"},
    {"game", "carried"},
    {"systems"},
    {"parallel", "guard", "watchdog", "lock"},
    {"loop"},
    {"log", "checkpoint", "sample", "samplers", "svg"},
    {"metrics"},
    {"report"},
    {"diagnose", "evaluation", "published"},
    {"runs"},
    {"export", "recipes"},
    {"explore"},
    {"commands"},
    {"__init__"},
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{path}: relative import; write the full name")
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "jaxgan" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up_only(path):
    room = room_of(path)
    assert room in LEVEL, f"a new room {room!r}: give it a place in ORDER"
    for other in set(imported_rooms(path)) - {room}:
        assert other in LEVEL, f"{path} imports unknown room {other!r}"
        assert LEVEL[other] < LEVEL[room], f"{room} imports {other}, which lies below it"


def imported_by(statement, *modules):
    """Which of these modules a fresh process has loaded after a statement."""
    program = f"import sys; {statement}; print(*[m for m in {modules!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    return result.stdout.split()


def test_importing_the_library_is_light():
    # Nor does it bring parts of SciPy, each a tenth of a second or more: JAX, Flax and Optax bring none.
    parts = [
        "cluster",
        "fft",
        "interpolate",
        "linalg",
        "ndimage",
        "optimize",
        "signal",
        "sparse",
        "spatial",
        "special",
        "stats",
    ]
    heavy = ("tensorflow", "tensorflow_datasets", "grain", "matplotlib", "PIL", "tensorboardX", "sklearn", "mlxtend")
    heavy += ("numpy.f2py", *(f"scipy.{part}" for part in parts))
    everything = "import jaxgan; [getattr(jaxgan, name) for name in jaxgan.__all__]"
    assert imported_by(everything, *heavy) == []


def test_a_filter_brings_no_scipy():
    assert imported_by("from jaxgan.augment import geometry; geometry.enlarging(8)", "scipy.signal", "scipy") == []


def test_checkpoints_alone_bring_their_library():
    rooms = "import jaxgan; from jaxgan import loop, log, sample, game"
    loaded = imported_by(rooms, "jaxgan.checkpoint", "jaxgan.report")
    assert loaded == []
    for path in FILES:
        if room_of(path) != "checkpoint":
            assert not re.search(r"^\s*(import|from) orbax", path.read_text(), flags=re.MULTILINE), path


LINES = 60  # of a function, without its docstring


def lengths(path):
    """Each function's name and lines, its docstring left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
            yield node.name, node.end_lineno - node.lineno + 1 - docstring


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_fit_on_a_page(path):
    for name, lines in lengths(path):
        assert lines <= LINES, f"{path}: {name} has {lines} lines: what of it is a function of its own?"


RETIRED = {
    "told",
    "seen",
    "settle",
    "held",
    "said",
    "of",
    "at",
    "found",
    "both",
}  # each once meant three things or more


def names_given(path):
    """What a file calls its functions, classes, arguments, fields and variables."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.arg):
            yield node.arg
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_have_one_meaning(path):
    assert RETIRED & {name.lower().lstrip("_") for name in names_given(path)} == set()


MODULES = ["jaxgan", *sorted(m.name for m in pkgutil.walk_packages(jaxgan.__path__, "jaxgan."))]


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__, name
    for attribute, value in vars(module).items():
        public = not attribute.startswith("_") and getattr(value, "__module__", None) == name
        if public and (inspect.isfunction(value) or inspect.isclass(value)):
            assert value.__doc__, f"{name}.{attribute}"
            # what NamedTuple and dataclass write by themselves explains nothing
            assert not value.__doc__.startswith(f"{attribute}("), f"{name}.{attribute} has a generated docstring"


@pytest.mark.parametrize("name", [name for name in MODULES if hasattr(importlib.import_module(name), "__all__")])
def test_all_names_exist_and_are_explained(name):
    module = importlib.import_module(name)
    for public in module.__all__:
        value = getattr(module, public)
        assert value.__doc__, f"{name}.{public}"


def made():
    """Public values of the library that are no functions, classes or modules, and what its factories make; by name."""
    adversary, system = jaxgan.systems.adversary, registry.spelled_out()
    game = jaxgan.game(registry.networks_for(system), system)
    spread = jaxgan.parallel.data_parallel(game, mode="sharded")
    priors = jaxgan.priors
    yield from {f"losses.{name}": loss for name, loss in registry.losses().items()}.items()
    yield from {f"penalties.{name}": penalty for name, penalty in registry.penalties().items()}.items()
    yield from {f"dynamics.{name}": dynamics for name, dynamics in registry.dynamics().items()}.items()
    yield from {f"systems.{name}": value for name, value in registry.systems().items() if name not in HELPERS}.items()
    yield from {f"game.{name}": getattr(game, name) for name in ("init", "train_step", "generate", "rehearse")}.items()
    yield from {f"parallel.{name}": getattr(spread, name) for name in ("init", "train_step", "local")}.items()
    yield from {
        "priors.normal": priors.normal(1),
        "priors.uniform": priors.uniform(1),
        "priors.truncated_normal": priors.truncated_normal(1),
        "priors.codes": priors.codes(priors.normal(1)),
        "augment.diffaugment": jaxgan.augment.diffaugment("color"),
        "augment.instance_noise": jaxgan.augment.instance_noise(0.1),
        "estimators.evolution_strategies": jaxgan.estimators.evolution_strategies(0.1, 2),
        "adversary": adversary,
    }.items()


HELPERS = ("between", "with_term")  # they put together what the user says


def test_what_is_made_explains_itself():
    """Values and made functions: not the words of their type, none, or a generated line."""
    found = dict(made())
    assert len(found) > 60
    for name, value in found.items():
        base = [getattr(kind, "__doc__", "") for kind in type(value).__mro__[-3:]] if isinstance(value, tuple) else []
        assert value.__doc__, name
        assert value.__doc__ not in base, f"{name} has the docstring of its type"
        assert not re.match(r"\w+\(", value.__doc__), f"{name} has a generated docstring"
        assert len(value.__doc__) > 40, name


def test_help_says_a_losses_equation_and_source():
    words = pydoc.render_doc(jaxgan.losses.hinge)
    assert "1 and fake ones fall below -1" in words
    assert "Geometric GAN. 2017, eq. 20-21" in words
    assert jaxgan.losses.hinge == tuple(jaxgan.losses.hinge)
    replaced = jaxgan.losses.hinge._replace(generator=abs)
    assert isinstance(replaced, jaxgan.Loss)
    assert "gamma/2" in pydoc.render_doc(jaxgan.penalties.r1(1.0))


def test_rooms_of_the_readme_are_there_as_it_writes_them():
    rooms = re.findall(r"\[`(\w+)`\]\(jaxgan/", (ROOT.parent / "README.md").read_text())
    assert len(rooms) > 25
    for name in rooms:
        assert getattr(jaxgan, name).__doc__, name
    modules = {name for name in jaxgan.__all__ if inspect.ismodule(getattr(jaxgan, name))}
    assert set(rooms) - {"explore", "game", "sample"} <= modules  # of those three the name is the function


def test_one_file_reads_pickles_and_needs_none_of_the_library():
    reads = [path for path in FILES if re.search(r"^\s*(import|from) pickletools", path.read_text(), re.MULTILINE)]
    assert [path.relative_to(ROOT).as_posix() for path in reads] == ["metrics/extractors/pickles.py"]
    assert not set(imported_rooms(reads[0]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_strings_and_nothing_is_merely_asserted(path):
    """No pickle, eval or exec: data stays data. No assert: `python -O` would remove the check."""
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), where
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name.split(".")[0] for alias in node.names} | {
                (getattr(node, "module", "") or "").split(".")[0]
            }
            assert not modules & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}, where
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "compile", "__import__"}, where
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), where
            assert node.value.value is False, where
