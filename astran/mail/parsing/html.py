"""HTML to the text that a person sees in it, with quoted mails marked by `> `."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

_BLOCK = re.compile(
    "address|article|aside|blockquote|body|center|d[dlt]|div|fieldset|figure|footer|form|h[1-6]"
    "|header|hr|html|li|main|nav|ol|p|pre|section|table|tbody|tfoot|thead|tr|ul"
)
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|o:p")
_SILENT = re.compile(
    "head|script|style|title|template|noscript|object|svg|math|select|textarea|iframe"
)
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all"
    r"|font-size\s*:\s*[01](?:\.\d+)?(?:px|pt)\s*(?:;|!|$)"
    r"|font-size\s*:\s*0(?:\.\d+)?(?:em|rem|%|)\s*(?:;|!|$)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|!|$)"
    r"|max-(?:height|width)\s*:\s*0(?:px)?\s*(?:;|!|$)|text-indent\s*:\s*-\d{3,}"
    r"|(?:left|top|right)\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*0|scale\(\s*0\s*[,)]"
    r"|(?<![-\w])height\s*:\s*0(?:px)?\s*;.{0,200}overflow\s*:\s*hidden",
    re.I | re.S,
)
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
# `*+` and `++` give nothing back: so the time stays linear in the number of blanks
_COLOUR = re.compile(r"(?:^|;)\s*+color\s*+:\s*+([^;!]{1,40}?)\s*+(?:[;!]|$)", re.I)
_GROUND = re.compile(r"background(?:-color)?\s*+:\s*+([^;!]{1,60}?)\s*+(?:[;!]|$)", re.I)
_NAMED = {"white": "#ffffff", "black": "#000000"}
_LONGEST_CSS = 200_000
_COMMENT_END = re.compile(r"--!?>")
# no `<` within a tag: so the time stays linear whatever stands in the page
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/<>]*+)((?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+)>")
_ATTRIBUTE = re.compile(r"([^\s=/>\"'<]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+))?")
_LONGEST_TAG = 8_000
# characters by number, as far as they have a meaning
_HUGE_NUMBER = re.compile(r"&#x?[0-9a-f]{9,};?", re.I)
_RAW_TEXT = {tag: re.compile(f"</{tag}", re.I) for tag in ("script", "style", "title", "textarea")}
_OPENS = re.compile(r"<[A-Za-z/!?]")
_TAG_NAME = re.compile(r"<(/?)([A-Za-z][^\s/<>]*)")
_LONGEST_NAME = 60
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_SPACES = re.compile(r"  +")
_WHITE = re.compile(r"\s+")
_SHORT_COLOUR = re.compile(r"#([0-9a-f])([0-9a-f])([0-9a-f])")
_RGB = re.compile(r"rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})(?:,[\d.]+)?\)")
_BRACE = re.compile(r"[{}]")
_CLASS = re.compile(r"\.([\w-]+)(?=\s*(?:,|$))")


@dataclass(frozen=True, slots=True)
class _Frame:
    """An open element, with what it hands down to its content."""

    tag: str = ""
    quoted: bool = False
    hidden: bool = False
    silent: bool = False
    """Within what no program shows as text: scripts, styles."""
    preformatted: bool = False
    ink: str = "#000000"
    paper: str = "#ffffff"


class _Reader:
    """Builds lines from tags and text."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.unseen: list[str] = []
        self._line: list[str] = []
        self._filled = False
        """Whether the line has more than blanks."""
        self._open: list[_Frame] = [_Frame()]
        self._count: Counter[str] = Counter()
        self._below = False
        self._cells = 0
        self._hidden_classes: set[str] = set()

    def start(self, tag: str, given: dict[str, str]) -> None:
        if tag == "br":
            self._break()
            return
        if _BLOCK.fullmatch(tag):
            self._block()
        if tag in ("td", "th"):
            if self._cells and self._filled:
                self._line.append("\t")
            self._cells += 1
        if tag == "tr":
            self._cells = 0
        if _VOID.fullmatch(tag):
            return
        names = (given.get("class", ""), given.get("id", ""), given.get("name", ""))
        if any(_SIGNATURE_MARKS.search(name) for name in names):
            self._block()
            self._write("-- ")
            self._break()
        self._below = self._below or any(_ALL_BELOW.search(name) for name in names)
        above = self._open[-1]
        quote = _is_quote(tag, given) or any(_QUOTE_MARKS.search(name) for name in names)
        ink, paper = _colours(given, above.ink, above.paper)
        unseen = ink == paper or _is_unseen(given) or self._hidden_by_class(names[0])
        self._count[tag] += 1
        self._open.append(
            _Frame(
                tag,
                above.quoted or self._below or quote,
                above.hidden or unseen,
                above.silent or bool(_SILENT.fullmatch(tag)),
                above.preformatted or tag == "pre",
                ink,
                paper,
            )
        )

    def end(self, tag: str) -> None:
        if _BLOCK.fullmatch(tag):
            self._block()
        if not self._count[tag]:
            return
        while True:
            closed = self._open.pop().tag
            self._count[closed] -= 1
            if closed == tag:
                return

    def data(self, text: str) -> None:
        frame = self._open[-1]
        if frame.silent:
            if frame.tag == "style":
                self._hidden_classes |= _hiding_classes(text)
            return
        text = unescape(_HUGE_NUMBER.sub("\ufffd", text))
        if frame.hidden:
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

    def text(self) -> str:
        self._block()
        return "\n".join(self.lines)

    def _hidden_by_class(self, names: str) -> bool:
        return not self._hidden_classes.isdisjoint(names.split())

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
    """(kind, tag or text, attributes) with kind `start`, `end` or `data`, in linear time.

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
            yield "end" if match[1] else "start", tag, match[3][:_LONGEST_TAG]
            if not match[1] and tag in _RAW_TEXT:
                begin, at = at, _after(_RAW_TEXT[tag], page, at, keep=True)
                yield "data", page[begin:at], ""
        elif page.startswith("<!--", begin):
            at = _after(_COMMENT_END, page, begin + 4)
        elif _OPENS.match(page, begin):
            # a declaration, or a tag that is not well formed: as browsers do, up to the next `>`
            at = page.find(">", begin) + 1 or len(page)
            if match := _TAG_NAME.match(page, begin, begin + _LONGEST_NAME):
                attributes = page[match.end() : min(at, match.end() + _LONGEST_TAG)]
                yield "end" if match[1] else "start", match[2].lower(), attributes
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
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        plain = value[1:-1] if value[:1] in ('"', "'") else value
        found.setdefault(name.lower(), unescape(_HUGE_NUMBER.sub("", plain)))
    return found


def _is_unseen(given: dict[str, str]) -> bool:
    return "hidden" in given or bool(_HIDDEN.search(given.get("style", "")))


def _colours(given: dict[str, str], ink: str, paper: str) -> tuple[str, str]:
    """Colours of letters and ground, in one spelling, from an element and what is around it."""
    style = given.get("style", "")
    if match := _COLOUR.search(style):
        ink = _colour(match[1], ink)
    elif "color" in given:
        ink = _colour(given["color"], ink)
    if match := _GROUND.search(style):
        paper = _colour(match[1].split()[0], paper)
    elif "bgcolor" in given:
        paper = _colour(given["bgcolor"], paper)
    return ink, paper


def _colour(text: str, around: str) -> str:
    word = _WHITE.sub("", text.lower())
    if word in ("inherit", "none", "initial", "unset", "", "transparent", "currentcolor"):
        return around
    if match := _SHORT_COLOUR.fullmatch(word):
        word = "#" + "".join(2 * digit for digit in match.groups())
    if match := _RGB.fullmatch(word):
        word = "#" + "".join(f"{min(int(part), 255):02x}" for part in match.groups())
    return _NAMED.get(word, word)


def _hiding_classes(css: str) -> set[str]:
    """Classes that a style sheet hides on every screen: rules within @media do not count."""
    found: set[str] = set()
    depth, selector, begin = 0, "", 0
    for match in _BRACE.finditer(css, 0, _LONGEST_CSS):
        if match[0] == "{":
            if depth == 0:
                selector = css[begin : match.start()]
            depth += 1
        else:
            depth = max(depth - 1, 0)
            rule = css[begin : match.start()]
            if depth == 0 and "@" not in selector and _HIDDEN.search(rule):
                found |= set(_CLASS.findall(selector))
        begin = match.end()
    return found


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
    """What is made invisible by its style."""


def read_html(page: str) -> Page:
    """The text of a page. Never raises."""
    reader = _Reader()
    for kind, what, attributes in _tokens(page):
        if kind == "start":
            reader.start(what, _attributes(attributes))
        elif kind == "end":
            reader.end(what)
        else:
            reader.data(what)
    return Page(reader.text(), "\n".join(reader.unseen))
