"""Whether a person sees a text on a page, by its styles (CSS 2.1 and the modules that followed).

Unknown is never visible. A property that can hide text makes it unseen unless its value is one of
those that surely do not. Of all rules that may apply (in any medium, whatever their rank) each
counts: text that is hidden on some screens only is not known to have been seen. Units: px.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

Rgb = tuple[float, float, float]
Declarations = Sequence[tuple[str, str]]
"""Pairs of property and value, both in lower case."""

BLACK: Rgb = (0.0, 0.0, 0.0)
WHITE: Rgb = (1.0, 1.0, 1.0)
_SMALLEST_PX = 6.0
_LEAST_CONTRAST = 1.3
"""Of letters and ground (WCAG 2.1); light grey on white, as in small print, has 1.6."""
_LEAST_OPACITY = 0.35
_MOST_COLOURS = 6
_LONGEST_VALUE = 300
_MOST_STYLES = 1_000
"""Different style attributes of one page."""
_LONGEST_SHEETS = 40_000
_DEEPEST_BRACKETS = 20
_MOST_RULES = 400
_MOST_MATCHES = 60_000
"""Elements times rules."""
_DEEPEST = 150

_LENGTH = re.compile(r"([+-]?(?:\d++(?:\.\d*+)?|\.\d++))(px|pt|pc|in|cm|mm|q|em|rem|ex|ch|%)?")
_PX = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945,
       "rem": 16.0}  # fmt: skip
_SIZES = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0,
    "x-large": 24.0, "xx-large": 32.0, "xxx-large": 48.0, "initial": 16.0,
}  # fmt: skip
_AS_BEFORE = frozenset({"inherit", "unset", "revert", "revert-layer"})
_HARMLESS = _AS_BEFORE | {"initial", "none", "auto", "normal", ""}
_SYSTEM_INKS = frozenset({"windowtext", "canvastext", "buttontext", "text", "initial", "auto"})


@dataclass(frozen=True, slots=True)
class Look:
    """How the text of an element looks; what it hands down to those within."""

    hidden: bool = False
    inks: tuple[Rgb, ...] = (BLACK,)
    papers: tuple[Rgb, ...] = (WHITE,)
    size_px: float = 16.0
    opacity: float = 1.0
    covers: bool = False
    """Whether the element may lie upon, or push away, what stands elsewhere on the page."""

    @property
    def unseen(self) -> bool:
        """Whether it is not sure that a person sees the text."""
        return (
            self.hidden
            or self.size_px < _SMALLEST_PX
            or self.opacity < _LEAST_OPACITY
            or not self.inks
            or not self.papers
            or any(
                _contrast(ink, paper) < _LEAST_CONTRAST
                for ink in self.inks
                for paper in self.papers
            )
        )

    def hides_beyond(self, around: Look) -> bool:
        """Whether its style would hide text that follows upon the ground of what is around it."""
        return replace(self, papers=around.papers).unseen or replace(self, papers=(WHITE,)).unseen


PLAIN = Look()
"""Black on white, as text looks without any style."""


def style_of(declarations: Declarations, above: Look) -> Look:
    """The look of an element within another one."""
    given: dict[str, list[str]] = {}
    for name, value in declarations:
        given.setdefault(name, []).append(value)
    if not given:
        return above
    known_size, papers = _size(given, above.size_px), _papers(given, above.papers)
    size = above.size_px if known_size is None else known_size
    return replace(
        above,
        hidden=above.hidden or known_size is None or papers is None or _hides(given, size),
        size_px=size,
        opacity=above.opacity * _opacity(given),
        papers=papers or (),
        inks=_inks(given, above.inks, papers or above.papers),
        covers=above.covers or _covers(given, size),
    )


class StyleReader:
    """Declarations from style attributes, each text read once."""

    def __init__(self) -> None:
        self._known: dict[str, Declarations] = {"": ()}

    def read(self, style: str) -> Declarations:
        """The declarations of a style attribute."""
        if style not in self._known:
            if len(self._known) > _MOST_STYLES or _is_too_much(style, 20 * _LONGEST_VALUE):
                return _NOT_READ
            import tinycss2

            self._known[style] = _declared(tinycss2.parse_blocks_contents(style))
        return self._known[style]


_NOT_READ: Declarations = (("display", "unknown"),)
_BRACKET = re.compile(r"[(\[{}\])]")


def _is_too_much(css: str, limit: int) -> bool:
    """Whether a style is longer, or its brackets lie deeper, than anybody writes: the parser goes
    down by recursion."""
    if len(css) > limit:
        return True
    depth = 0
    for match in _BRACKET.finditer(css):
        depth = depth + 1 if match[0] in "([{" else max(depth - 1, 0)
        if depth > _DEEPEST_BRACKETS:
            return True
    return False


@dataclass(frozen=True, slots=True)
class SheetRules:
    """Style sheets of a page, as far as they bear upon what is seen."""

    everywhere: Declarations = ()
    """Of rules whose selectors are not looked into: they may apply to everything."""
    by_element: Mapping[int, Declarations] | None = None
    """By the number of the element; see `match_sheets`."""
    covers: bool = False

    def of(self, number: int) -> Declarations:
        """What the sheets say of an element."""
        return self.by_element.get(number, ()) if self.by_element else ()


def match_sheets(sheets: Sequence[str], tree: Callable[[], tuple[Any, int, int]]) -> SheetRules:
    """What style sheets say of each element of a page.

    Parameters
    ----------
    sheets : texts of the style sheets
    tree : makes the page as an ElementTree whose elements have their number in the attribute
        `astran`, with its number of elements and its depth; only called where it is needed
    """
    if not any(sheet.strip() for sheet in sheets):
        return SheetRules()
    if _is_too_much("\n".join(sheets), _LONGEST_SHEETS):
        return SheetRules(_NOT_READ)
    import tinycss2

    found = _Rules()
    for sheet in sheets:
        found.read(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True))
    if not found.by_selector:
        return SheetRules(tuple(found.everywhere), covers=found.covers)
    root, number, depth = tree()
    if (
        len(found.by_selector) > _MOST_RULES
        or number * len(found.by_selector) > _MOST_MATCHES
        or depth > _DEEPEST
    ):
        return SheetRules(_NOT_READ)
    import cssselect2

    matcher = cssselect2.Matcher()
    for selectors, declarations in found.by_selector:
        for selector in selectors:
            matcher.add_selector(selector, declarations)
    by_element: dict[int, Declarations] = {}
    for element in cssselect2.ElementWrapper.from_html_root(root).iter_subtree():
        if matched := matcher.match(element):
            all_of = [pair for _, _, _, declarations in matched for pair in declarations]
            by_element[int(element.etree_element.get("astran", "-1"))] = all_of
    return SheetRules(tuple(found.everywhere), by_element, found.covers)


# what would take long to match, or depends on what is not on the page
_UNCLEAR_SELECTOR = re.compile(r"~|::|:(?:nth|has|is|where|not|last|only|empty|any|first-l|root)")


class _Rules:
    """The rules of style sheets, parted by whether their selectors can be looked into."""

    def __init__(self) -> None:
        self.everywhere: list[tuple[str, str]] = []
        self.by_selector: list[tuple[Any, Declarations]] = []
        self.covers = False

    def read(self, rules: Iterable[Any], depth: int = 0) -> None:
        for rule in rules:
            if rule.type == "qualified-rule":
                self._add(rule)
            elif rule.type == "at-rule":
                self._add_at(rule, depth)

    def _add(self, rule: Any) -> None:
        import tinycss2

        content = tinycss2.parse_blocks_contents(rule.content)
        declarations = _declared(content)
        within = [each for each in content if each.type in ("qualified-rule", "at-rule")]
        if within:
            # rules within rules: not looked into
            self.everywhere += _NOT_READ
        if not declarations:
            return
        selector = tinycss2.serialize(rule.prelude).lower()
        if len(selector) > 2 * _LONGEST_VALUE or _UNCLEAR_SELECTOR.search(selector):
            self.everywhere += declarations
            return
        import cssselect2

        try:
            compiled = cssselect2.compile_selector_list(rule.prelude)
        except cssselect2.SelectorError:
            self.everywhere += declarations
            return
        self.by_selector.append((compiled, declarations))

    def _add_at(self, rule: Any, depth: int) -> None:
        import tinycss2

        name = rule.lower_at_keyword
        if name == "import":
            # a sheet from elsewhere may say anything
            self.covers = True
        elif name == "font-face":
            content = tinycss2.parse_blocks_contents(rule.content or [])
            if any(each.type == "declaration" and each.lower_name == "src" for each in content):
                # letters that may look like others, or like nothing
                self.covers = True
        elif name in ("media", "supports", "layer", "container", "scope", "starting-style"):
            if depth > 3:
                self.everywhere += _NOT_READ
            elif rule.content is not None:
                inner = tinycss2.parse_rule_list(
                    rule.content, skip_comments=True, skip_whitespace=True
                )
                self.read(inner, depth + 1)


def _declared(content: Iterable[Any]) -> Declarations:
    """The declarations that bear upon what is seen."""
    import tinycss2

    found = []
    for each in content:
        if each.type != "declaration":
            continue
        if each.lower_name in _JUDGED or each.lower_name.startswith(_BEGINS):
            value = " ".join(tinycss2.serialize(each.value).lower().split())
            found.append((each.lower_name, value[:_LONGEST_VALUE]))
    return tuple(found)


_BEGINS = ("margin", "padding", "inset", "mask", "-webkit-mask", "animation", "-webkit-animation",
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
            if word in _HARMLESS:
                continue
            length = _length(word, size_px)
            if length is None or not low <= length <= high:
                return False
        return True

    return test


def _one_of(*words: str) -> Callable[[str, float], bool]:
    allowed = _HARMLESS - {"none"} | frozenset(words)
    return lambda value, size_px: value in allowed


def _all_of(*words: str) -> Callable[[str, float], bool]:
    allowed = _HARMLESS | frozenset(words)
    return lambda value, size_px: all(word in allowed for word in value.split())


def _no_line_through(value: str, size_px: float) -> bool:
    return "line-through" not in value and "(" not in value.replace("rgb", "", 1)


def _line_height(value: str, size_px: float) -> bool:
    if value in _HARMLESS:
        return True
    match = _LENGTH.fullmatch(value)
    if match is None:
        return False
    number = float(match[1])
    if not match[2]:
        return 0.5 <= number <= 10
    return number >= 50 if match[2] == "%" else (_length(value, size_px) or 0) >= _SMALLEST_PX


def _zoom(value: str, size_px: float) -> bool:
    match = _LENGTH.fullmatch(value)
    return value in _HARMLESS or (
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
_INKS = ("color", "-webkit-text-fill-color")
_PAPERS = ("background", "background-color", "background-image")
_JUDGED = frozenset({
    *_TESTS, *_OFFSETS, *_HEIGHTS, *_WIDTHS, *_OVERFLOWS, *_INKS, *_PAPERS,
    "position", "opacity", "font", "font-size", "white-space",
})  # fmt: skip


def _hides(given: Mapping[str, list[str]], size_px: float) -> bool:
    """Whether one of the values may hide text."""
    for name, values in given.items():
        if name.startswith(("animation", "-webkit-animation")):
            named = name in ("animation", "animation-name", "-webkit-animation")
            if named and not all(value in _HARMLESS for value in values):
                return True
            continue
        test = _TESTS.get(name) or next(
            (test for begins, test in _PREFIX_TESTS if name.startswith(begins)), None
        )
        if test is not None and not all(test(value, size_px) for value in values):
            return True
    return _clips(given, size_px)


def _clips(given: Mapping[str, list[str]], size_px: float) -> bool:
    """Whether a box may be too small for its text."""
    heights = [value for name in _HEIGHTS for value in given.get(name, ())]
    widths = [value for name in _WIDTHS for value in given.get(name, ())]
    if any(_is_small(value, size_px, 2) for value in heights):
        return True
    cut = any(
        word not in ("visible", *_HARMLESS)
        for name in _OVERFLOWS
        for value in given.get(name, ())
        for word in value.split()
    )
    if not cut:
        return False
    no_wrap = any("nowrap" in value or value == "pre" for value in given.get("white-space", ()))
    return (
        any(value not in _HARMLESS for value in heights)
        or any(_is_small(value, size_px, 60) for value in widths)
        or (no_wrap and any(value not in _HARMLESS for value in widths))
    )


def _is_small(value: str, size_px: float, limit: float) -> bool:
    if value in _HARMLESS or (value.endswith("%") and value not in ("0%", "0.0%")):
        return False
    length = _length(value, size_px)
    return length is None or length < limit


def _covers(given: Mapping[str, list[str]], size_px: float) -> bool:
    """Whether the element may lie upon others, or lies elsewhere than it stands."""
    if any(value not in (*_HARMLESS, "static", "relative") for value in given.get("position", ())):
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
        or any(value not in _HARMLESS for name in moved for value in given.get(name, ()))
    )


def _size(given: Mapping[str, list[str]], above_px: float) -> float | None:
    """The smallest size that is given [px]; None where one is unclear."""
    found = []
    for value in given.get("font-size", ()):
        found.append(_one_size(value, above_px))
    for value in given.get("font", ()):
        # the size is the first word that may be one; `/` joins it with the height of the line
        words = value.replace("/", " ").split()
        if value in _AS_BEFORE or value in ("caption", "icon", "menu", "message-box", "status-bar"):
            continue
        sizes = [one for word in words if (one := _one_size(word, above_px)) is not None]
        # a bare number is a weight
        sizes = [one for one in sizes if one not in (100, 200, 300, 400, 500, 600, 700, 800, 900)]
        found.append(sizes[0] if sizes else None)
    if None in found:
        return None
    return min((one for one in found if one is not None), default=above_px)


def _one_size(value: str, above_px: float) -> float | None:
    if value in _AS_BEFORE:
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


def _opacity(given: Mapping[str, list[str]]) -> float:
    least = 1.0
    for value in given.get("opacity", ()):
        if value in _HARMLESS:
            continue
        match = _LENGTH.fullmatch(value)
        if match is None:
            return 0.0
        least = min(least, float(match[1]) / (100 if match[2] == "%" else 1))
    return least


def _inks(
    given: Mapping[str, list[str]], above: tuple[Rgb, ...], papers: tuple[Rgb, ...]
) -> tuple[Rgb, ...]:
    """Colours that the letters may have; empty where one is unclear."""
    found: list[Rgb] = []
    for name in _INKS:
        for value in given.get(name, ()):
            if value in _AS_BEFORE or value == "currentcolor":
                found += above
            elif value in _SYSTEM_INKS:
                found.append(BLACK)
            elif (mixed := _mixed(value, papers)) is not None:
                found += mixed
            elif "(" in value:
                return ()
            # an unknown word is dropped by browsers
    return _few(found) if found else above


def _papers(given: Mapping[str, list[str]], above: tuple[Rgb, ...]) -> tuple[Rgb, ...] | None:
    """Colours that the ground may have; None where there may be a picture."""
    found: list[Rgb] = []
    for name in _PAPERS:
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

    found = None if _is_too_much(value, _LONGEST_VALUE) else parse_color(value)
    return None if found is None or isinstance(found, str) else tuple(found)


def _few(colours: Iterable[Rgb]) -> tuple[Rgb, ...]:
    different = tuple(dict.fromkeys(colours))
    return different if len(different) <= _MOST_COLOURS else ()


def _contrast(one: Rgb, other: Rgb) -> float:
    """Contrast of two colours, from 1 to 21 (WCAG 2.1)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (min(max(part, 0.0), 1.0) for part in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
