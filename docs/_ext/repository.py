"""Pages of the repository on the site: links between them lead to pages of the site, and a gallery is made of records.

Pages below `docs` are read as they stand. A page from elsewhere has a stand-in here, which says to a reader of the
repository where it is, and which the site replaces by the page itself. So each text is kept once, and its links work in
both places.
"""

import os
import re
from pathlib import Path

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
ELSEWHERE = {
    "records": "experiments/README.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
    "changelog": "CHANGELOG.md",
}  # by the name of the stand-in
LISTS = ("guide/README", "decisions/README")  # pages that list those beside them: so does the site's navigation
SHOWN = {ROOT / path: DOCS / f"{name}.md" for name, path in ELSEWHERE.items()} | {ROOT / "README.md": DOCS / "index.md"}
LINK = re.compile(  # or code, in which nothing is one
    r"^(?P<fence>`{3,}).*?^(?P=fence)$|`[^`\n]*`|"
    r"(?P<image>!?)\[(?P<words>(?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:|#)(?P<path>[^)\s#]+)(?P<anchor>#[^)]*)?\)",
    flags=re.DOTALL | re.MULTILINE,
)
PICTURE = re.compile(r"!\[([^\]]*)\]\((?:\.\./docs/)?(\w+\.png)\)")
TABLE = re.compile(r"(?:^\|.*\n)+", flags=re.MULTILINE)
COMMAND = re.compile(r"`(python -m experiments[^`]*)`")


def relinked(text: str, source: Path, page: Path) -> str:
    """Leads the links of a text to pages of the site.

    Args:
      text: Markdown.
      source: the file that it is kept in, to which its links are relative.
      page: the file below `docs` in whose place it is shown.
    Returns:
      The same with links relative to the page; a link to what the site does not show (a module, a folder) is its words.
    """

    def link(match: re.Match[str]) -> str:
        if not match["path"]:
            return match[0]
        target = Path(os.path.normpath(source.parent / match["path"]))
        target = SHOWN.get(target, target)
        if not target.is_relative_to(DOCS) or target.is_dir():
            return match["words"]
        path = os.path.relpath(target, page.parent)
        return f"{match['image']}[{relinked(match['words'], source, page)}]({path}{match['anchor'] or ''})"

    return LINK.sub(link, text)


def gallery(records: str) -> str:
    """Makes a figure of each picture in the records: what it shows, the command that made it, and its figures."""
    sections = {
        part.partition("\n")[0].strip("# "): part for part in re.split(r"^(?=###? )", records, flags=re.MULTILINE)
    }
    named = {heading.partition(",")[0]: heading for heading in sections}
    figures = []
    for place, part in sections.items():
        for words, picture in PICTURE.findall(part):
            heading = named.get(picture.removesuffix(".png"), place)  # a grid of pictures shows those of other sections
            section = sections[heading]
            lines = [f"**{heading}.** {words}" if words else f"**{heading}**"]
            lines += [f"`{command}`" for command in COMMAND.findall(section)[:1]]
            lines += [_figures(section), f"[More of it](records.md#{_anchor(heading)})"]
            body = "\n\n".join(line for line in lines if line)
            figures.append(f":::{{figure}} {picture}\n:alt: {words or heading}\n\n{body}\n:::\n")
    return "::::{container} gallery\n" + "\n".join(figures) + "::::\n"


def _figures(section: str) -> str:
    """The means of a section's first table of numbers, as "name value" by columns; where it has none, the table."""
    tables = [table for table in TABLE.findall(section) if "![" not in table]
    for table in tables[:1]:
        rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()]
        for row in rows:
            if row[0] == "mean" or row[0].startswith("mean ±"):
                pairs = zip(rows[0][1:], row[1:], strict=False)
                return "; ".join(f"{name} {value}" for name, value in pairs if value)
        return f"<details><summary>Figures</summary>\n\n{table}\n</details>"
    return ""


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def read(app: object, name: str, content: list[str]) -> None:
    """Replaces what Sphinx read of a page by what is shown of it."""
    page = DOCS / f"{name}.md"
    source = ROOT / ELSEWHERE[name] if name in ELSEWHERE else page
    if not source.exists():  # a page that the build makes itself
        return
    app.env.note_dependency(str(source))
    text = source.read_text(encoding="utf-8") if name in ELSEWHERE else content[0]
    if name == "gallery":
        records = ROOT / ELSEWHERE["records"]
        app.env.note_dependency(str(records))
        text += "\n" + gallery(records.read_text(encoding="utf-8"))
    if name in LISTS:
        text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(_listed(source)) + "\n```\n"
    content[0] = relinked(text, source, page)


def _listed(source: Path) -> list[str]:
    """Names the pages beside a list of pages, in its order, but for those that the first page has already."""
    first = (DOCS / "index.md").read_text(encoding="utf-8")
    names = dict.fromkeys(re.findall(r"\]\((\w+)\.md\)", source.read_text(encoding="utf-8")))
    return [name for name in names if f"<{source.parent.name}/{name}>" not in first]


def setup(app: object) -> dict[str, bool]:
    """Connects `read`."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
