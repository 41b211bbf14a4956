"""Draws docs/architecture.svg from the imports: packages of astran, and who needs whom.

    python docs/draw_architecture.py           write the picture
    python docs/draw_architecture.py --check   exit code 1 where it is out of date

An arrow leads from a package to one that it imports. An arrow that follows from others is left out.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "astran"
PICTURE = ROOT / "docs" / "architecture.svg"

BOX_WIDTH_PX, BOX_HEIGHT_PX = 212, 92
GAP_X_PX, GAP_Y_PX, MARGIN_PX = 20, 56, 24
TEXT_CHARACTERS, TEXT_LINES = 33, 3

Graph = dict[str, set[str]]


def package_of(name: str) -> str:
    """Package (or module on top) to which a module belongs; each chain stands for itself."""
    words = name.split(".")[1:]
    chain = (
        words[:1] == ["telescopes"]
        and len(words) > 1
        and (PACKAGE / "telescopes" / words[1]).is_dir()
    )
    return ".".join(words[: 2 if chain else 1])


def packages() -> dict[str, list[Path]]:
    """Source files by package."""
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name != "astran":
            found.setdefault(package_of(name), []).append(path)
    return found


def imported_packages(path: Path) -> Iterator[str]:
    """Packages of astran that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (package_of(name) for name in names if name.startswith("astran."))


def import_graph(files: dict[str, list[Path]]) -> Graph:
    """Who imports whom, by package."""
    return {
        name: {other for path in paths for other in imported_packages(path)} & set(files) - {name}
        for name, paths in files.items()
    }


def levels(graph: Graph) -> dict[str, int]:
    """Height of each package: one above the highest that it imports."""
    found: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in found:
            found[name] = 1 + max(map(height, graph[name]), default=-1)
        return found[name]

    for name in graph:
        height(name)
    return found


def reduced(graph: Graph) -> Graph:
    """The same without arrows that follow from others."""

    def below(name: str) -> set[str]:
        return graph[name].union(*(below(other) for other in graph[name]))

    return {
        name: {one for one in needed if not any(one in below(other) for other in needed)}
        for name, needed in graph.items()
    }


def summary(paths: list[Path]) -> str:
    """First sentence of the package's docstring."""
    path = next((path for path in paths if path.name == "__init__.py"), paths[0])
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("`", "")


def wrapped(text: str) -> list[str]:
    """A text in lines of a box."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > TEXT_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > TEXT_LINES:
        lines = [*lines[: TEXT_LINES - 1], lines[TEXT_LINES - 1].rstrip(",.;:") + " …"]
    return lines


def draw() -> str:
    """The picture as SVG."""
    files = packages()
    graph = import_graph(files)
    height = levels(graph)
    rows = [
        sorted(name for name in graph if height[name] == level)
        for level in range(max(height.values()), -1, -1)
    ]
    width = max(map(len, rows)) * (BOX_WIDTH_PX + GAP_X_PX) - GAP_X_PX + 2 * MARGIN_PX
    total = len(rows) * (BOX_HEIGHT_PX + GAP_Y_PX) - GAP_Y_PX + 2 * MARGIN_PX
    place = {}
    for number, row in enumerate(rows):
        left = (width - len(row) * (BOX_WIDTH_PX + GAP_X_PX) + GAP_X_PX) / 2
        for column, name in enumerate(row):
            x = left + column * (BOX_WIDTH_PX + GAP_X_PX)
            place[name] = (x, MARGIN_PX + number * (BOX_HEIGHT_PX + GAP_Y_PX))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {total:g}" '
        f'width="{width:g}" height="{total:g}" font-family="sans-serif" role="img" '
        'aria-label="Packages of astran and their imports">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>',
        f'<rect width="{width:g}" height="{total:g}" fill="#ffffff"/>',
    ]
    for name, needed in sorted(reduced(graph).items()):
        for other in sorted(needed):
            parts.append(arrow(place[name], place[other]))
    parts += [box(name, place[name], files[name]) for name in sorted(files)]
    return "\n".join([*parts, "</svg>", ""])


def arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A line from the lower edge of a box to the upper edge of another."""
    x1, y1 = start[0] + BOX_WIDTH_PX / 2, start[1] + BOX_HEIGHT_PX
    x2, y2 = end[0] + BOX_WIDTH_PX / 2, end[1] - 2
    bend = (y2 - y1) / 2
    return (
        f'<path d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}" '
        'fill="none" stroke="#64748b" stroke-opacity="0.55" marker-end="url(#tip)"/>'
    )


def box(name: str, corner: tuple[float, float], paths: list[Path]) -> str:
    """A package: name, number of modules, what it is for."""
    x, y = corner
    modules = sum(path.name != "__init__.py" for path in paths)
    lines = "".join(
        f'<text x="{x + 10:g}" y="{y + 44 + 15 * number:g}" font-size="11" fill="#334155">'
        f"{escape(line)}</text>"
        for number, line in enumerate(wrapped(summary(paths)))
    )
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{BOX_WIDTH_PX}" height="{BOX_HEIGHT_PX}" rx="6" '
        'fill="#f1f5f9" stroke="#94a3b8"/>'
        f'<text x="{x + 10:g}" y="{y + 22:g}" font-size="14" font-weight="bold" '
        f'fill="#0f172a">{name}</text>'
        f'<text x="{x + BOX_WIDTH_PX - 10:g}" y="{y + 22:g}" font-size="11" text-anchor="end" '
        f'fill="#64748b">{modules}</text>{lines}'
    )


def main() -> int:
    """Write or check the picture."""
    made = draw()
    if "--check" in sys.argv[1:]:
        if PICTURE.exists() and PICTURE.read_text() == made:
            return 0
        print(f"{PICTURE.name} is out of date: run `make architecture`.", file=sys.stderr)
        return 1
    PICTURE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
