"""HTML to the text that a person sees in it, with quoted mails marked by `> `."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape
from itertools import islice
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from astran.mail.parsing.visibility import (
    PLAIN,
    Declarations,
    Look,
    SheetRules,
    StyleReader,
    match_sheets,
    parse_colour,
    style_of,
)

_BLOCK = re.compile(
    "address|article|aside|blockquote|body|center|d[dlt]|div|fieldset|figure|footer|form|h[1-6]"
    "|header|hr|html|li|main|nav|ol|p|pre|section|table|tbody|tfoot|thead|tr|ul"
)
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|o:p")
# what no program shows as text
_SILENT = re.compile("head|script|style|title")
# ... and what some programs do not show, or only when asked to, or struck through
_UNSHOWN = re.compile(
    "template|noscript|noembed|noframes|object|applet|svg|math|select|datalist|textarea|iframe"
    "|audio|video|canvas|progress|meter|rp|dialog|details|bdo|s|strike|del|frameset"
)
_SMALLER = re.compile("small|sub|sup")
# that stay open beyond the end of what is around them (HTML, section 13.2.4.3)
_FORMATTING = re.compile("a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u")
# Word's own: around the numbers of lists, empty paragraphs and pictures
_WORD_IF = re.compile(r"!?(?:support(?:lists|emptyparas|misalignedcolumns|footnotes|fields)|vml)")
# where mail programs keep the mail that is answered or forwarded
_QUOTE_MARKS = re.compile(
    r"gmail_quote|gmail_attr|gmail_extra|yahoo_quoted|protonmail_quote|moz-cite-prefix"
    r"|moz-forward-container|moz-email-headers-table|divrplyfwdmsg|appendonsend|replyforward"
    r"|outlookmessageheader|zmail_extra|quoted|tutanota_quote|wiseflow|ms-outlook-mobile-reference"
    r"|mail-editor-reference-message-container|x_divrplyfwdmsg|originalmessage"
    r"|history_container|cite_prefix|replybody|blockquotewrapper",
    re.I,
)
# ... after which all that follows belongs to the older mail
_ALL_BELOW = re.compile(r"divrplyfwdmsg|appendonsend|outlookmessageheader|yahoo_quoted", re.I)
_SIGNATURE_MARKS = re.compile(
    r"gmail_signature|moz-signature|^signature$|ms-outlook-mobile-signature|protonmail_signature"
    r"|applemailsignature|signature_block|x_signature",
    re.I,
)
_BAR_AT_LEFT = re.compile(r"border-left\s*+:\s*+(?!none|0)[^;]{0,60}\bsolid", re.I)
_INDENT_ONLY = re.compile(r"border\s*:\s*(?:none|0)|border-left\s*:\s*(?:none|0)", re.I)
_COMMENT_END = re.compile(r"--!?>")
# as browsers cut tags: up to the first `>` that is in no quoted value. Where there is none, nothing
# of the rest is shown; so no text is looked at twice, and the time is linear
_TAG = re.compile(
    r"<(/?)([A-Za-z][^\s/>]*+)((?:=\s*+(?:\"[^\"]*+\"|'[^']*+')|[^>=]++|=(?!\s*+[\"']))*+)>"
)
_ATTRIBUTE = re.compile(r"([^\s=/>\"'<]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+))?")
_LONGEST_TAG = 8_000
_MOST_TOKENS = 60_000
_DEEPEST = 500
"""Browsers do not nest elements deeper than 512."""
# characters by number, as far as they have a meaning
_HUGE_NUMBER = re.compile(r"&#x?[0-9a-f]{9,};?", re.I)
_RAW_TEXT = {
    tag: re.compile(f"</{tag}", re.I)
    for tag in ("script", "style", "title", "textarea", "iframe", "noembed", "noframes", "xmp")
} | {"plaintext": re.compile(r"(?!)")}
# an end tag does not reach beyond these (HTML, section 13.2.4.2)
_SCOPE = re.compile("table|td|th|caption|select|button|object|marquee|applet|template")
_ENDS_SCOPE = re.compile(f"{_SCOPE.pattern}|t(?:r|body|head|foot)")
_OPENS = re.compile(r"<[A-Za-z/!?]")
_LONGEST_NAME = 60
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_SPACES = re.compile(r"  +")
_WHITE = re.compile(r"\s+")
_BARE_COLOUR = re.compile(r"[0-9a-f]{3}|[0-9a-f]{6}")
_COLOUR_NAME = re.compile(r"#[0-9a-f]{3}|#[0-9a-f]{6}|[a-z]{3,24}")
_NOT_IN_TAG = re.compile(r"[^a-z0-9-]")
_CONDITION = re.compile(r"<!\[\s*(if|endif)\b([^>]*)", re.I)


@dataclass(frozen=True, slots=True)
class _Frame:
    """An open element, with what it hands down to its content."""

    tag: str = ""
    quoted: bool = False
    silent: bool = False
    """Within what no program shows as text: scripts, styles."""
    preformatted: bool = False
    look: Look = PLAIN
    around: Look = PLAIN
    """The look of what is around a `details`, whose summary is always shown."""


class _Traits(NamedTuple):
    """What a tag is."""

    block: bool
    void: bool
    silent: bool
    unshown: bool
    smaller: bool
    formatting: bool
    scope: bool
    ends_scope: bool


@lru_cache(maxsize=500)
def _traits(tag: str) -> _Traits:
    kinds = (_BLOCK, _VOID, _SILENT, _UNSHOWN, _SMALLER, _FORMATTING, _SCOPE, _ENDS_SCOPE)
    return _Traits(*(kind.fullmatch(tag) is not None for kind in kinds))


class _Reader:
    """Builds lines from tags and text."""

    def __init__(self, rules: SheetRules) -> None:
        self.lines: list[str] = []
        self.unseen: list[str] = []
        self._line: list[str] = []
        self._filled = False
        """Whether the line has more than blanks."""
        self._rules = rules
        self._styles = StyleReader()
        self._looks: dict[tuple[Declarations, Look], Look] = {}
        look = style_of(rules.everywhere, PLAIN)
        self.covered = rules.covers or look.covers
        """Whether anything may lie upon the text, or the text elsewhere."""
        self._open: list[_Frame] = [_Frame(look=look)]
        self._count: Counter[str] = Counter()
        self._scopes: list[Counter[str]] = [Counter()]
        """Open elements by name, in each table, cell and the like for itself."""
        self._below = False
        self._cells = 0
        self._conditions: list[bool] = []
        self._left_open = False
        """Whether an element that hides its text was never closed: browsers keep it open."""

    def start(self, number: int, tag: str, given: dict[str, str]) -> None:
        if tag == "br":
            self._break()
            return
        traits = _traits(tag)
        if traits.block:
            self._block()
        if tag in ("td", "th"):
            if self._cells and self._filled:
                self._line.append("\t")
            self._cells += 1
        if tag == "tr":
            self._cells = 0
        above = self._open[-1]
        look = self._look(number, tag, given, above)
        self.covered = self.covered or look.covers
        if traits.void:
            sheet = tag == "link" and "stylesheet" in given.get("rel", "").lower()
            # a sheet from elsewhere may say anything
            self.covered = self.covered or sheet
            return
        names = tuple(given[name] for name in ("class", "id", "name") if name in given)
        if any(_SIGNATURE_MARKS.search(name) for name in names):
            self._block()
            self._write("-- ")
            self._break()
        self._below = self._below or any(_ALL_BELOW.search(name) for name in names)
        quote = _is_quote(tag, given) or any(_QUOTE_MARKS.search(name) for name in names)
        self._count[tag] += 1
        self._scopes[-1][tag] += 1
        if traits.scope:
            self._scopes.append(Counter())
        self._open.append(
            _Frame(
                tag,
                above.quoted or self._below or quote,
                above.silent or traits.silent,
                above.preformatted or tag == "pre",
                look,
                above.look,
            )
        )

    def _look(self, number: int, tag: str, given: dict[str, str], above: _Frame) -> Look:
        around = above.around if (tag, above.tag) == ("summary", "details") else above.look
        traits = _traits(tag)
        if not (given or traits.unshown or traits.smaller or self._rules.by_element):
            return around
        declarations = (
            *_of_attributes(tag, given),
            *self._rules.of(number),
            *self._styles.read(given.get("style", "")),
        )
        key: tuple[Declarations, Look] = (declarations, around)
        if (look := self._looks.get(key)) is None:
            # most elements of a page look like others
            look = self._looks[key] = style_of(declarations, around)
        if traits.smaller:
            look = replace(look, size_px=0.83 * look.size_px)
        shown = "open" in given and tag in ("details", "dialog")
        if (traits.unshown and not shown) or "popover" in given:
            look = replace(look, hidden=True)
        return look

    def condition(self, begins: bool, text: str) -> None:
        """What only some programs show: `<![if !mso]>`."""
        if begins:
            self._conditions.append(bool(_WORD_IF.fullmatch(_WHITE.sub("", text.lower())[:60])))
        elif self._conditions:
            self._conditions.pop()

    def end(self, tag: str) -> None:
        if _traits(tag).block:
            self._block()
        # what stands below the end of the body belongs to it all the same
        if tag in ("html", "body") or not self._is_open(tag):
            return
        implied = False
        while True:
            frame = self._open.pop()
            if _traits(frame.tag).scope:
                self._scopes.pop()
            self._count[frame.tag] -= 1
            self._scopes[-1][frame.tag] -= 1
            around = self._open[-1].look
            if frame.tag == tag:
                # a form ends without ending what is open in it
                if tag == "form" and implied and frame.look.hides_beyond(around):
                    self._left_open = True
                return
            implied = True
            if _traits(frame.tag).formatting and frame.look.hides_beyond(around):
                self._left_open = True

    def _is_open(self, tag: str) -> bool:
        """Whether an end tag ends anything."""
        return (self._count if _traits(tag).ends_scope else self._scopes[-1])[tag] > 0

    def data(self, text: str) -> None:
        frame = self._open[-1]
        if frame.silent:
            return
        text = unescape(_HUGE_NUMBER.sub("\ufffd", text))
        if not text.isspace() and (
            frame.look.unseen or self._left_open or not all(self._conditions)
        ):
            self.unseen.append(text)
            return
        if not frame.preformatted:
            self._write(_BLANKS.sub(" ", text))
            return
        first, *rest = text.split("\n")
        self._write(first)
        for line in rest:
            self._break()
            self._write(line)

    @property
    def depth(self) -> int:
        """How many elements are open."""
        return len(self._open)

    def text(self) -> str:
        self._block()
        return "\n".join(self.lines)

    def _write(self, text: str) -> None:
        self._line.append(text)
        self._filled = self._filled or (not text.isspace() and bool(text))

    def _block(self) -> None:
        if self._filled:
            self._break()
        else:
            self._line.clear()

    def _break(self) -> None:
        text = "".join(self._line)
        text = text if text == "-- " else _SPACES.sub(" ", text).strip(" \n")
        self._line.clear()
        self._filled = False
        self.lines.append(f"> {text}" if self._below or self._open[-1].quoted else text)


def _tokens(page: str) -> Iterator[tuple[str, str, str]]:
    """(kind, tag or text, attributes) with kind `start`, `end`, `data`, `if` or `endif`, in linear
    time.

    The standard library's parser takes quadratic time for tags that never end.
    """
    at = 0
    while at < len(page):
        begin = page.find("<", at)
        if begin != at:
            yield "data", page[at : begin if begin > 0 else len(page)], ""
        if begin < 0:
            return
        if match := _TAG.match(page, begin):
            at = match.end()
            tag = match[2].lower()
            # what is not read of a tag may hide its text
            rest = " hidden" if len(match[3]) > _LONGEST_TAG else ""
            yield "end" if match[1] else "start", tag, match[3][:_LONGEST_TAG] + rest
            if not match[1] and tag in _RAW_TEXT:
                begin, at = at, _after(_RAW_TEXT[tag], page, at, keep=True)
                yield "data", page[begin:at], ""
        elif page.startswith("<!--", begin):
            at = _after(_COMMENT_END, page, begin + 4)
        elif match := _CONDITION.match(page, begin):
            at = page.find(">", begin) + 1 or len(page)
            yield match[1].lower(), match[2].rstrip("]")[:_LONGEST_NAME], ""
        elif _OPENS.match(page, begin):
            # a declaration ends with the first `>`; a tag without end swallows the rest
            ends = not page[begin + 1 : begin + 2].isalpha()
            at = (page.find(">", begin) + 1 if ends else 0) or len(page)
        else:
            yield "data", "<", ""
            at = begin + 1


def _after(pattern: re.Pattern[str], page: str, at: int, keep: bool = False) -> int:
    """Where the next match ends (or begins, to be kept); the end of the page without one."""
    match = pattern.search(page, at)
    if match is None:
        return len(page)
    return match.start() if keep else match.end()


def _attributes(text: str) -> dict[str, str]:
    if not text:
        return {}
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        plain = value[1:-1] if value[:1] in ('"', "'") else value
        found.setdefault(name.lower(), unescape(_HUGE_NUMBER.sub("", plain)))
    return found


def _of_attributes(tag: str, given: dict[str, str]) -> list[tuple[str, str]]:
    """The declarations that attributes of old HTML stand for."""
    found = [("display", "none")] if "hidden" in given else []
    if tag in ("font", "basefont") and "color" in given:
        found.append(("color", _colour(given["color"])))
    if tag == "body" and "text" in given:
        found.append(("color", _colour(given["text"])))
    if "bgcolor" in given:
        found.append(("background-color", _colour(given["bgcolor"])))
    if given.get("background", "").strip():
        found.append(("background-image", "url(x)"))
    return found


def _colour(text: str) -> str:
    """A colour of old HTML as CSS spells it; what browsers make of anything else is unclear."""
    word = text.strip().lower()
    if _BARE_COLOUR.fullmatch(word):
        return f"#{word}"
    if not _COLOUR_NAME.fullmatch(word):
        return "unclear()"
    return word if word == "windowtext" or parse_colour(word) else "unclear()"


def _is_quote(tag: str, given: dict[str, str]) -> bool:
    if tag in ("div", "td", "table") and _BAR_AT_LEFT.search(given.get("style", "")):
        return True
    if tag != "blockquote":
        return False
    # a border or `cite` marks a quote; a bare margin is how people indent their own text
    return given.get("type", "").lower() == "cite" or not _INDENT_ONLY.search(
        given.get("style", "")
    )


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a page."""

    visible: str
    """What a person sees; lines of quoted mails begin with `> `."""
    hidden: str
    """What is made invisible by its style, or may be."""


def read_html(page: str) -> Page:
    """The text of a page. Never raises.

    Where something may lie upon the text, none of it counts as visible; nor does that of a page
    with more elements, or deeper ones, than programs write.
    """
    tokens = [
        (kind, what, _attributes(text) if kind == "start" else {})
        for kind, what, text in islice(_tokens(page), _MOST_TOKENS + 1)
    ]
    if len(tokens) > _MOST_TOKENS:
        return Page("", "")
    reader = _Reader(match_sheets(_sheets(tokens), lambda: _tree(tokens)))
    for number, (kind, what, given) in enumerate(tokens):
        if kind == "start":
            reader.start(number, what, given)
            if reader.depth > _DEEPEST:
                return Page("", "")
        elif kind == "end":
            reader.end(what)
        elif kind == "data":
            reader.data(what)
        else:
            reader.condition(kind == "if", what)
    text, unseen = reader.text(), "\n".join(reader.unseen)
    return Page("", f"{text}\n{unseen}") if reader.covered else Page(text, unseen)


_Token = tuple[str, str, dict[str, str]]


def _sheets(tokens: Sequence[_Token]) -> list[str]:
    """The texts of all style elements."""
    pairs = itertools.pairwise(tokens)
    return [
        text for (kind, tag, _), (next_kind, text, _) in pairs
        if (kind, tag, next_kind) == ("start", "style", "data")
    ]  # fmt: skip


def _tree(tokens: Sequence[_Token]) -> tuple[Element, int, int]:
    """The elements of a page, each with its number; how many they are, and how deep they lie."""
    root = Element("html")
    path = [SubElement(root, "body")]
    count = Counter(("body",))
    number = depth = 0
    for at, (kind, what, given) in enumerate(tokens):
        tag = _NOT_IN_TAG.sub("x", what) if kind in ("start", "end") else ""
        if kind == "start":
            number += 1
            element = SubElement(path[-1], tag, {**given, "astran": str(at)})
            if not _traits(what).void:
                path.append(element)
                count[tag] += 1
                depth = max(depth, len(path))
        elif kind == "end" and count[tag] and len(path) > 1:
            while len(path) > 1:
                closed = path.pop().tag
                count[closed] -= 1
                if closed == tag:
                    break
    return root, number, depth
