"""Which values of CSS properties may hide text (CSS 2.1 and the modules that followed). Units: px.

A property that can hide text has the values that surely do not; all its others may.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

Declarations = Sequence[tuple[str, str]]
"""Pairs of property and value, both in lower case."""
SMALLEST_PX = 6.0
"""Smaller letters cannot be read."""
Given = Mapping[str, list[str]]
"""All values of each property of an element."""

_LENGTH = re.compile(r"([+-]?(?:\d++(?:\.\d*+)?|\.\d++))(px|pt|pc|in|cm|mm|q|em|rem|ex|ch|%)?")
_PX = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945,
       "rem": 16.0}  # fmt: skip
_SIZES = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0,
    "x-large": 24.0, "xx-large": 32.0, "xxx-large": 48.0, "initial": 16.0,
}  # fmt: skip
AS_BEFORE = frozenset({"inherit", "unset", "revert", "revert-layer"})
HARMLESS = AS_BEFORE | {"initial", "none", "auto", "normal", ""}

BEGINS = ("margin", "padding", "inset", "mask", "-webkit-mask", "animation", "-webkit-animation",
           "clip", "-webkit-clip", "mso-hide")  # fmt: skip


def _length(text: str, size_px: float) -> float | None:
    """Length in px; a percentage counts as that part of 100 px; None where it is unclear."""
    match = _LENGTH.fullmatch(text)
    if match is None:
        return None
    number, unit = float(match[1]), match[2] or ""
    if unit == "em":
        return number * size_px
    if unit in ("ex", "ch"):
        return number * size_px / 2
    return number if unit == "%" else number * _PX[unit]


def _within(low: float, high: float) -> Callable[[str, float], bool]:
    """A test of values: each length in them lies between two bounds."""

    def test(value: str, size_px: float) -> bool:
        for word in value.split():
            if word in HARMLESS:
                continue
            length = _length(word, size_px)
            if length is None or not low <= length <= high:
                return False
        return True

    return test


def _one_of(*words: str) -> Callable[[str, float], bool]:
    allowed = HARMLESS - {"none"} | frozenset(words)
    return lambda value, size_px: value in allowed


def _all_of(*words: str) -> Callable[[str, float], bool]:
    allowed = HARMLESS | frozenset(words)
    return lambda value, size_px: all(word in allowed for word in value.split())


def _no_line_through(value: str, size_px: float) -> bool:
    return "line-through" not in value and "(" not in value.replace("rgb", "", 1)


def _line_height(value: str, size_px: float) -> bool:
    if value in HARMLESS:
        return True
    match = _LENGTH.fullmatch(value)
    if match is None:
        return False
    number = float(match[1])
    if not match[2]:
        return 0.5 <= number <= 10
    return number >= 50 if match[2] == "%" else (_length(value, size_px) or 0) >= SMALLEST_PX


def _zoom(value: str, size_px: float) -> bool:
    match = _LENGTH.fullmatch(value)
    return value in HARMLESS or (
        match is not None and float(match[1]) / (100 if match[2] == "%" else 1) >= 0.6
    )


_NONE = _all_of()
_DISPLAYS = _one_of(
    "block", "inline", "inline-block", "list-item", "table", "inline-table", "table-row",
    "table-cell", "table-row-group", "table-header-group", "table-footer-group", "table-column",
    "table-column-group", "table-caption", "flow-root", "contents", "flex", "inline-flex", "run-in",
    "-webkit-box", "-webkit-inline-box", "-ms-flexbox", "-webkit-flex",
)  # fmt: skip
_TESTS: dict[str, Callable[[str, float], bool]] = {
    "display": _DISPLAYS,
    "visibility": _one_of("visible"),
    "content-visibility": _one_of("visible"),
    "content": _one_of("none"),
    "filter": _NONE, "-webkit-filter": _NONE, "-ms-filter": _NONE,
    "clip": _NONE, "clip-path": _NONE, "-webkit-clip-path": _NONE,
    "transform": _NONE, "-webkit-transform": _NONE, "-ms-transform": _NONE, "-moz-transform": _NONE,
    "-o-transform": _NONE, "scale": _NONE, "rotate": _NONE, "translate": _NONE,
    "perspective": _NONE, "offset-path": _NONE, "offset": _NONE, "zoom": _zoom,
    "text-indent": _within(-100, 400),
    "vertical-align": _all_of(
        "baseline", "sub", "super", "top", "text-top", "middle", "bottom", "text-bottom", "0",
        "0px",
    ),
    "letter-spacing": _within(-1.5, 20), "word-spacing": _within(-3, 40),
    "line-height": _line_height,
    "font-size-adjust": _NONE,
    "mix-blend-mode": _NONE,
    "unicode-bidi": _one_of("embed", "isolate", "plaintext", "-webkit-isolate"),
    "flex-direction": _one_of("row", "column"), "flex-flow": _all_of("row", "column", "wrap"),
    "-webkit-box-direction": _NONE, "order": _all_of("0"),
    "text-decoration": _no_line_through, "text-decoration-line": _no_line_through,
    "-webkit-text-security": _NONE, "text-security": _NONE,
    "-webkit-text-stroke": _all_of("0", "0px"), "-webkit-text-stroke-width": _all_of("0", "0px"),
    "line-clamp": _NONE, "-webkit-line-clamp": _NONE, "contain": _NONE,
    "text-overflow": _one_of("clip"),
}  # fmt: skip
# the same for all that begin so
_PREFIX_TESTS: tuple[tuple[tuple[str, ...], Callable[[str, float], bool]], ...] = (
    (("margin", "padding"), _within(-1e9, 800)),
    (("mask", "-webkit-mask", "clip", "-webkit-clip", "mso-hide"), _NONE),
)
_OFFSETS = ("top", "left", "right", "bottom")
_HEIGHTS = ("height", "max-height", "block-size", "max-block-size")
_WIDTHS = ("width", "max-width", "inline-size", "max-inline-size")
_OVERFLOWS = ("overflow", "overflow-x", "overflow-y", "overflow-block", "overflow-inline")
INKS = ("color", "-webkit-text-fill-color")
"""Properties that colour the letters."""
PAPERS = ("background", "background-color", "background-image")
"""Properties that colour the ground."""
JUDGED = frozenset({
    *_TESTS, *_OFFSETS, *_HEIGHTS, *_WIDTHS, *_OVERFLOWS, *INKS, *PAPERS,
    "position", "opacity", "font", "font-size", "white-space",
})  # fmt: skip


def may_hide(given: Given, size_px: float) -> bool:
    """Whether one of the values may hide text."""
    for name, values in given.items():
        if name.startswith(("animation", "-webkit-animation")):
            named = name in ("animation", "animation-name", "-webkit-animation")
            if named and not all(value in HARMLESS for value in values):
                return True
            continue
        test = _TESTS.get(name) or next(
            (test for begins, test in _PREFIX_TESTS if name.startswith(begins)), None
        )
        if test is not None and not all(test(value, size_px) for value in values):
            return True
    return _clips(given, size_px)


def _clips(given: Given, size_px: float) -> bool:
    """Whether a box may be too small for its text."""
    heights = [value for name in _HEIGHTS for value in given.get(name, ())]
    widths = [value for name in _WIDTHS for value in given.get(name, ())]
    if any(_is_small(value, size_px, 2) for value in heights):
        return True
    cut = any(
        word not in ("visible", *HARMLESS)
        for name in _OVERFLOWS
        for value in given.get(name, ())
        for word in value.split()
    )
    if not cut:
        return False
    no_wrap = any("nowrap" in value or value == "pre" for value in given.get("white-space", ()))
    return (
        any(value not in HARMLESS for value in heights)
        or any(_is_small(value, size_px, 60) for value in widths)
        or (no_wrap and any(value not in HARMLESS for value in widths))
    )


def _is_small(value: str, size_px: float, limit: float) -> bool:
    if value in HARMLESS or (value.endswith("%") and value not in ("0%", "0.0%")):
        return False
    length = _length(value, size_px)
    return length is None or length < limit


def may_cover(given: Given, size_px: float) -> bool:
    """Whether the element may lie upon others, or lies elsewhere than it stands."""
    if any(value not in (*HARMLESS, "static", "relative") for value in given.get("position", ())):
        return True
    near = _within(-20, 20)
    offsets = [
        value
        for name, values in given.items()
        if name in _OFFSETS or name.startswith("inset")
        for value in values
    ]
    back = _within(-12, 1e9)
    margins = [value for name, vs in given.items() if name.startswith("margin") for value in vs]
    moved = ("transform", "-webkit-transform", "translate", "scale", "rotate")
    return (
        not all(near(value, size_px) for value in offsets)
        or not all(back(value, size_px) for value in margins)
        or any(value not in HARMLESS for name in moved for value in given.get(name, ()))
    )


def font_size(given: Given, above_px: float) -> float | None:
    """The smallest size that is given [px]; None where one is unclear."""
    found = []
    for value in given.get("font-size", ()):
        found.append(_one_size(value, above_px))
    for value in given.get("font", ()):
        # the size is the first word that may be one; `/` joins it with the height of the line
        words = value.replace("/", " ").split()
        if value in AS_BEFORE or value in ("caption", "icon", "menu", "message-box", "status-bar"):
            continue
        sizes = [one for word in words if (one := _one_size(word, above_px)) is not None]
        # a bare number is a weight
        sizes = [one for one in sizes if one not in (100, 200, 300, 400, 500, 600, 700, 800, 900)]
        found.append(sizes[0] if sizes else None)
    if None in found:
        return None
    return min((one for one in found if one is not None), default=above_px)


def _one_size(value: str, above_px: float) -> float | None:
    if value in AS_BEFORE:
        return above_px
    if value in _SIZES:
        return _SIZES[value]
    if value in ("smaller", "larger"):
        return above_px * (0.83 if value == "smaller" else 1.2)
    match = _LENGTH.fullmatch(value)
    if match is None or (not match[2] and float(match[1]) != 0):
        # a number without unit is no size; browsers drop it
        return above_px if match is not None else None
    return float(match[1]) * above_px / 100 if match[2] == "%" else _length(value, above_px)


def least_opacity(given: Given) -> float:
    least = 1.0
    for value in given.get("opacity", ()):
        if value in HARMLESS:
            continue
        match = _LENGTH.fullmatch(value)
        if match is None:
            return 0.0
        least = min(least, float(match[1]) / (100 if match[2] == "%" else 1))
    return least
