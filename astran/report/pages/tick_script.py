"""A script of one line beside the pages: it tells a browser when the last tick of the launcher was.

A launcher that has stopped makes no page anew, so that no page could say so; `pages.js` compares
this time with the clock.
"""

from __future__ import annotations

from datetime import datetime

TICK_SCRIPT = "assets/tick.js"


def tick_script(last: datetime | None) -> str:
    """The script; `last` is none where there was no tick yet."""
    said = f"{last:%Y-%m-%dT%H:%M:%SZ}" if last else ""
    return f'document.documentElement.dataset.tick = "{said}";\n'
