"""What styles say of the elements of a page.

Of all rules that may apply, in any medium and whatever their rank, each counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astran.mail.parsing.css_values import BEGINS, JUDGED, Declarations

_LONGEST_VALUE = 300
_MOST_STYLES = 1_000
"""Different style attributes of one page."""
_LONGEST_SHEETS = 40_000
_DEEPEST_BRACKETS = 20
_MOST_RULES = 400
_MOST_MATCHES = 60_000
"""Elements times rules."""
_DEEPEST = 150


class StyleReader:
    """Declarations from style attributes, each text read once."""

    def __init__(self) -> None:
        self._known: dict[str, Declarations] = {"": ()}

    def read(self, style: str) -> Declarations:
        """The declarations of a style attribute."""
        if style not in self._known:
            if len(self._known) > _MOST_STYLES or is_too_much(style, 20 * _LONGEST_VALUE):
                return _NOT_READ
            import tinycss2

            self._known[style] = _declared(tinycss2.parse_blocks_contents(style))
        return self._known[style]


_NOT_READ: Declarations = (("display", "unknown"),)
_BRACKET = re.compile(r"[(\[{}\])]")


def is_too_much(css: str, limit: int) -> bool:
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
    if is_too_much("\n".join(sheets), _LONGEST_SHEETS):
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
        if each.lower_name in JUDGED or each.lower_name.startswith(BEGINS):
            value = " ".join(tinycss2.serialize(each.value).lower().split())
            found.append((each.lower_name, value[:_LONGEST_VALUE]))
    return tuple(found)
