"""The library's shape: imports point up only, importing is light, and everything public says what it is."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxgan

ROOT = Path(jaxgan.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# Rooms by the order in which data flows; a room imports from rooms before it, and from itself.
ORDER = (
    {"types"},
    {"checks"},
    {"data", "priors"},
    {"networks"},
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
    {"diagnose", "evaluation"},
    {"runs"},
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
    heavy = ("tensorflow", "tensorflow_datasets", "grain", "matplotlib", "PIL", "tensorboardX", "sklearn", "mlxtend")
    heavy += ("scipy.signal", "scipy.stats", "scipy.cluster", "scipy.spatial", "scipy.sparse")
    assert imported_by("import jaxgan; jaxgan.systems; jaxgan.metrics; jaxgan.diagnose; jaxgan.parallel", *heavy) == []


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


def documented_assignments(path):
    """Names that are assigned at the top of a module, and whether a string follows."""
    body = ast.parse(path.read_text()).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            yield node.target.id, text and isinstance(after.value.value, str)


def test_every_loss_is_explained():
    """Losses are values, so their explanation is the string below them."""
    found = dict(pair for path in (ROOT / "losses").glob("*.py") for pair in documented_assignments(path))
    public = {name for name, value in vars(jaxgan.losses).items() if isinstance(value, jaxgan.Loss)}
    assert public
    assert {name for name in public if not found.get(name)} == set()


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
