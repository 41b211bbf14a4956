"""The template engine of letters and pages; what it fills in is made harmless."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from astran.base.files import packaged_path
from astran.base.text import shorten, strip_control

if TYPE_CHECKING:
    import jinja2

_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")


def make_environment(
    folder: str, unbroken: str, *, html: bool = True, longest: int | None = None
) -> jinja2.Environment:
    """The engine for the templates of one folder.

    Parameters
    ----------
    unbroken : attribute of an element in which no line ends
    longest : characters of one value; None: any number
    """
    # its import costs too much for a tick that writes nothing
    import jinja2
    from markupsafe import Markup, escape

    def safe(value: Any) -> Any:
        if not isinstance(value, str) or type(value) is Markup:
            return value
        return strip_control(value if longest is None else shorten(value, longest))

    def whole_dates(text: str) -> Markup:
        """HTML in which no line ends within a date."""
        return Markup(
            _DATE.sub(rf"<span {unbroken}>\g<0></span>", str(escape(strip_control(text))))
        )

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(packaged_path("templates") / folder),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=safe,
    )
    environment.filters["whole_dates"] = whole_dates
    return environment
