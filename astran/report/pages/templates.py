"""Pages from templates. Every value is escaped, and made harmless before that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from astran import __version__
from astran.base.disk_space import format_bytes
from astran.base.files import packaged_path
from astran.base.text import duration, one_line
from astran.report.formatting import format_fixed, format_livetime, format_measured
from astran.report.templating import make_environment

if TYPE_CHECKING:
    import jinja2

ASSETS = ("style.css", "pages.js", "icon.svg")
_LONGEST = 4000
"""Characters of one value."""


def render_page(template: str, path: str, values: Mapping[str, Any]) -> str:
    """The page at `path` (from the top of the site); its links are relative to that place."""
    up = "../" * path.count("/")
    return _environment().get_template(f"{template}.html.j2").render({**values, "up": up})


def asset_path(name: str) -> str:
    """A file that the pages use."""
    return (packaged_path("templates") / "pages" / name).read_text(encoding="utf-8")


@cache
def template_edition() -> str:
    """Changes whenever the templates or ASTRAN's version do: then all pages are made anew."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted((packaged_path("templates") / "pages").iterdir()):
        if path.is_file() and path.suffix in (".j2", ".css", ".js", ".svg"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _environment() -> jinja2.Environment:
    environment = make_environment("pages", 'class="keep"', longest=_LONGEST)
    environment.filters |= {
        "line": one_line,
        "fixed": format_fixed,
        "measured": format_measured,
        "duration": duration,
        "size": format_bytes,
        "livetime": format_livetime,
    }
    return environment
