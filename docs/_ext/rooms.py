"""The API of the site: a page for each room of the library, with every public name, from docstrings as they stand.

Docstrings are plain text in Google form: formulas have their asterisks and bars, names stand in single backticks.
`as_rst` says that to the reader of reStructuredText, before napoleon gives sections their form. Signatures are those of
the source, and the fields of a class come with the comments beside them, which name shapes and units.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path
from types import ModuleType

API = Path(__file__).parents[1] / "api"
COLUMNS = re.compile(r"^( *)([\w.`]+)  +(\S.*)$")  # a line of a table in text: a name, and what it is
BULLET = re.compile(r"^(\s*)(?:- |\d+\. )")
SECTION = re.compile("(Args|Arguments|Returns|Yields|Raises|References|Attributes|Examples?|Notes?):")
INTRODUCTION = """Every public name, by rooms; the paper's noun is the name of the file. Equations are those of the
papers, whose numbers stand with them; the first line of each function says what is computed.

"""
OUTSIDE = ("game", "sample")  # rooms whose place in the package is taken by their function


def rooms() -> dict[str, ModuleType]:
    """The rooms of the library by name, in the order of the package's list."""
    package = importlib.import_module("jaxgan")
    names = {*OUTSIDE, *(name for name in package.__all__ if isinstance(getattr(package, name), ModuleType))}
    return {name: importlib.import_module(f"jaxgan.{name}") for name in sorted(names)}


def public(module: ModuleType) -> list[str]:
    """The public names of a module: its list, or where it has none the functions and classes that it defines."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__, key=str.lower)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (inspect.isfunction(value) or inspect.isclass(value))
    ]


def home(module: ModuleType, name: str) -> str:
    """The file of a package that a public name is defined in, by its name."""
    value = getattr(module, name)
    place = getattr(value, "__module__", None) or ""
    if not (inspect.isfunction(value) or inspect.isclass(value)) or not place.startswith(module.__name__):
        files = [m.name for m in pkgutil.iter_modules(module.__path__)] if hasattr(module, "__path__") else []
        made = [file for file in files if _assigns(importlib.import_module(f"{module.__name__}.{file}"), name)]
        return made[0] if made else ""
    return place.removeprefix(module.__name__).lstrip(".").partition(".")[0]


def _assigns(module: ModuleType, name: str) -> bool:
    body = ast.parse(inspect.getsource(module)).body
    targets = [t for node in body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def entry(path: str, value: object) -> str:
    """The directive that documents one name."""
    if inspect.isclass(value):
        return f".. autoclass:: {path}\n   :members:\n   :special-members: __call__\n\n"
    if inspect.isroutine(value):
        return f".. autofunction:: {path}\n\n"
    return f".. autodata:: {path}\n" + "   :no-value:\n" * (type(value).__module__ != "builtins") + "\n"


def title(text: str, mark: str) -> str:
    """A heading."""
    return f"{text}\n{mark * len(text)}\n\n"


def page(module: ModuleType, names: list[str]) -> dict[str, str]:
    """The page of a module, and those of the modules among its names, by file name."""
    path = module.__name__
    text = title(path, "=") + f".. py:module:: {path}\n\n" + as_block(inspect.getdoc(module) or "") + "\n"
    pages, groups = {}, {}
    for name in names:
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            pages |= page(value, public(value))
        else:
            groups.setdefault(home(module, name), []).append(name)
    if pages:
        listed = "\n".join(f"   {name.removeprefix(path + '.')} <{name}>" for name in sorted(pages))
        text += f".. toctree::\n   :maxdepth: 1\n\n{listed}\n\n"
    for group in sorted(groups):
        if group:
            text += title(group, "-")
            first = (importlib.import_module(f"{path}.{group}").__doc__ or "").partition("\n")[0]
            text += as_block(first) + "\n"
        text += "".join(entry(f"{path}.{name}", getattr(module, name)) for name in groups[group])
    return {path: text, **pages}


def pages() -> dict[str, str]:
    """All pages of the API by file name."""
    package, made = importlib.import_module("jaxgan"), {}
    top = [name for name in package.__all__ if not isinstance(getattr(package, name), ModuleType)]
    text = title("jaxgan", "=") + ".. py:module:: jaxgan\n\n" + as_block(inspect.getdoc(package) or "") + "\n"
    text += "".join(entry(f"jaxgan.{name}", getattr(package, name)) for name in sorted(top, key=str.lower))
    for name, module in rooms().items():
        names = public(module)
        if name in OUTSIDE:  # what is not at the top
            text += "".join(entry(f"jaxgan.{name}.{n}", getattr(module, n)) for n in names if n not in top)
        elif name == "commands":
            made |= {module.__name__: title("jaxgan.commands", "=") + as_block(module.__doc__ or "") + commands(module)}
        else:
            made |= page(module, names)
    shown = sorted(name for name in rooms() if name not in OUTSIDE)
    listed = "\n".join(["   jaxgan", *(f"   {name} <jaxgan.{name}>" for name in shown)])
    index = title("API", "=") + INTRODUCTION + f".. toctree::\n   :maxdepth: 1\n\n{listed}\n"
    return {"index": index, "jaxgan": text, **made}


def commands(module: ModuleType) -> str:
    """What each command says of itself."""
    text = "\n"
    for found in pkgutil.iter_modules(module.__path__):
        words = inspect.getdoc(importlib.import_module(f"{module.__name__}.{found.name}")) or ""
        text += (
            title(found.name.replace("_", "-"), "-")
            + ".. code-block:: text\n\n"
            + textwrap.indent(words, "   ")
            + "\n\n"
        )
    return text


def write(app: object) -> None:
    """Writes the pages of the API into docs/api, which git ignores; what has not changed is left alone."""
    API.mkdir(exist_ok=True)
    made = {f"{name}.rst": text for name, text in pages().items()}
    for old in set(API.glob("*.rst")) - {API / name for name in made}:
        old.unlink()
    for name, text in made.items():
        file = API / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def escaped(text: str) -> str:
    """A line of plain text for reStructuredText: code in backticks, and nothing else marked up."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick of its own
        parts = [text.replace("`", "'")]
    plain = [re.sub(r"_(?!\w)", r"\_", re.sub(r"([\\*|])", r"\\\1", part)) for part in parts[::2]]
    joined = plain[0]
    for code, after in zip(parts[1::2], plain[1:], strict=True):
        joined += ("" if not joined or joined[-1].isspace() else "\\ ") + f"``{code}``"
        joined += ("" if not after or after[0].isspace() else "\\ ") + after
    return joined


def as_rst(lines: list[str]) -> list[str]:
    """A docstring's lines for reStructuredText: formulas escaped, lists apart from text, code as it stands."""
    out: list[str] = []
    kind, listed, section = "", None, ""  # of code: "example" or "block"; indent of the list; name of the section
    for line in lines:
        stripped, indent = line.strip(), len(line) - len(line.lstrip())
        before = out[-1].strip() if out else ""
        if SECTION.fullmatch(line):
            section, listed = stripped, None
        if (kind == "example" and not stripped) or (kind == "block" and stripped and indent < 4):
            kind = ""
        if stripped.startswith(">>>") and not kind:
            kind = "example"
            out += [""] * bool(before)
        if not kind and not section and indent >= 4 and not before and listed is None:
            kind = "block"
            out += [".. code-block:: python", ""]
        if kind:
            out.append(line)
            continue
        bullet = BULLET.match(line)
        if bullet:
            out += [""] * (bool(before) and listed is None)
            listed = indent
        elif listed is not None and stripped and indent <= listed:
            out += [""] * bool(before)
            listed = None
        if section == "References:" and stripped and _ended(out):
            out.append("")
        out.append(escaped(line))
    return out


def _ended(lines: list[str]) -> bool:
    """Whether the last paragraph is a whole reference: it has a year, and ends with a full stop."""
    text = " ".join(lines[max((k for k, line in enumerate(lines) if not line.strip()), default=-1) + 1 :])
    return text.endswith(".") and re.search(r"\b(19|20)\d\d\b", text) is not None


def as_block(text: str) -> str:
    """A module's docstring as reStructuredText: its tables as lists, its indented blocks as they stand."""
    blocks = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = block.split("\n")
        if all(line.startswith("    ") for line in lines):
            blocks.append(".. code-block:: text\n\n" + block)
        elif any(map(COLUMNS.match, lines)):
            blocks.append("\n".join(table(lines)))
        elif lines[0] == "References:":
            blocks.append("**References**\n\n" + inspect.cleandoc("\n".join(as_rst(lines)[1:])))
        else:
            blocks.append("\n".join(as_rst(lines)))
    return "\n\n".join(blocks) + "\n"


def table(lines: list[str]) -> list[str]:
    """A table in text, lines of "name   what it is" that may have headings, as lists."""
    out: list[str] = []
    column = None
    for line in lines:
        row, indent = COLUMNS.match(line), len(line) - len(line.lstrip())
        first = line.split(maxsplit=1)
        if not row and column == indent and len(first) == 2:  # a name that is longer than its column
            row = (line, "", *first)
        if row:
            column = indent
            out.append(f"- ``{row[2].strip('`')}``: {escaped(row[3])}")
        elif out and column is not None and indent > column:
            out[-1] += f" {escaped(line.strip())}"
        else:
            out += ["", escaped(line.strip()), ""]
            column = None
    return out


def fields(kind: type) -> list[tuple[str, str, str]]:
    """The annotated fields of a class with their types, defaults included, and the comments beside and below them."""
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):
        return []
    lines, found = source.split("\n"), []
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_"):
            kept = ast.unparse(node.annotation) + (f" = {ast.unparse(node.value)}" if node.value else "")
            rest, k = [lines[node.end_lineno - 1][node.end_col_offset :]], node.end_lineno
            while k < len(lines) and lines[k].strip().startswith("#"):
                rest.append(lines[k])
                k += 1
            comment = " ".join(line.strip().lstrip("# ").strip() for line in rest if line.strip())
            found.append((node.target.id, kept, re.sub(r"^noqa: [A-Z0-9, ]*(\([^)]*\))?;? ?", "", comment)))
    return found


def docstring(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Makes one docstring reStructuredText, in place, with the fields of a class."""
    own = what != "data" or type(obj).__module__ != "builtins"  # not the words of dict
    lines[:] = as_rst(lines) if own else []
    if what not in ("class", "exception"):
        return
    listed = fields(obj)
    if listed:
        lines += ["", ".. rst-class:: fields", ""]
    for field, kept, comment in listed:
        lines += [f"- **{escaped(field)}**: ``{kept}``" + (f" -- {escaped(comment)}" if comment else "")]
    lines.append("")


def signature(app: object, what: str, name: str, obj: object, options: object, args: str, returned: str):
    """The signature as it is written in the source: names of types, not what they stand for."""
    if args is None:
        return None
    if what in ("class", "exception"):  # its fields have a list of their own
        return "", None
    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(obj)))).body[0]
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    if not isinstance(node, ast.FunctionDef):
        return None
    arguments = node.args
    if what == "method":
        positional = arguments.posonlyargs or arguments.args
        positional[:1] = []  # self
    return f"({ast.unparse(arguments)})", ast.unparse(node.returns) if node.returns else None


def skip(app: object, what: str, name: str, obj: object, skipped: bool, options: object) -> bool | None:
    """Leaves out fields, which stand in the list of the class, and methods that are not the class's own words."""
    method = inspect.isfunction(obj) and obj.__module__.startswith("jaxgan")
    return None if method or isinstance(obj, (classmethod, staticmethod, property)) else True


def setup(app: object) -> dict[str, bool]:
    """Connects what is above; before napoleon, which reads sections."""
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", docstring, priority=100)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
