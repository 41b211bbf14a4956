"""The colours that letters and ground may have, and whether they can be told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from astran.mail.parsing.css_values import AS_BEFORE, INKS, PAPERS, Given
from astran.mail.parsing.style_sheets import is_too_much

Rgb = tuple[float, float, float]
BLACK: Rgb = (0.0, 0.0, 0.0)
WHITE: Rgb = (1.0, 1.0, 1.0)

_MOST_COLOURS = 6
_LONGEST_VALUE = 300
_SYSTEM_INKS = frozenset({"windowtext", "canvastext", "buttontext", "text", "initial", "auto"})


def inks_of(given: Given, above: tuple[Rgb, ...], papers: tuple[Rgb, ...]) -> tuple[Rgb, ...]:
    """Colours that the letters may have; empty where one is unclear."""
    found: list[Rgb] = []
    for name in INKS:
        for value in given.get(name, ()):
            if value in AS_BEFORE or value == "currentcolor":
                found += above
            elif value in _SYSTEM_INKS:
                found.append(BLACK)
            elif (mixed := _mixed(value, papers)) is not None:
                found += mixed
            elif "(" in value:
                return ()
            # an unknown word is dropped by browsers
    return _few(found) if found else above


def papers_of(given: Given, above: tuple[Rgb, ...]) -> tuple[Rgb, ...] | None:
    """Colours that the ground may have; None where there may be a picture."""
    found: list[Rgb] = []
    for name in PAPERS:
        for value in given.get(name, ()):
            if "url(" in value or "gradient(" in value or "image" in value or "var(" in value:
                return None
            for word in _words(value):
                found += _mixed(word, above) or ()
    return (_few(found) or None) if found else above


_WORDS = re.compile(r"[a-z-]*\([^()]*\)|[^\s()]+")


def _words(value: str) -> list[str]:
    """Words of a value; a function with its arguments is one."""
    return _WORDS.findall(value)


def _mixed(value: str, ground: tuple[Rgb, ...]) -> tuple[Rgb, ...] | None:
    """A colour upon each ground that may be below; None for what is no colour."""
    colour = parse_colour(value)
    if colour is None:
        return None
    red, green, blue, alpha = colour
    if alpha >= 1:
        return ((red, green, blue),)
    return tuple(
        (
            alpha * red + (1 - alpha) * below[0],
            alpha * green + (1 - alpha) * below[1],
            alpha * blue + (1 - alpha) * below[2],
        )
        for below in ground
    )


@lru_cache(maxsize=2_000)
def parse_colour(value: str) -> tuple[float, float, float, float] | None:
    """Red, green, blue and opacity from 0 to 1 (CSS Color 3); None for what is no colour."""
    from tinycss2.color3 import parse_color

    found = None if is_too_much(value, _LONGEST_VALUE) else parse_color(value)
    return None if found is None or isinstance(found, str) else tuple(found)


def _few(colours: Iterable[Rgb]) -> tuple[Rgb, ...]:
    different = tuple(dict.fromkeys(colours))
    return different if len(different) <= _MOST_COLOURS else ()


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast of two colours, from 1 to 21 (WCAG 2.1)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (min(max(part, 0.0), 1.0) for part in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
