"""HTML to the text that a person sees in it, with quoted mails marked by `> `."""

from __future__ import annotations

import re
from html.parser import HTMLParser

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
    r"|font-size\s*:\s*0(?:\.0+)?(?:px|pt|em|rem|%)?\s*(?:;|!|$)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|!|$)"
    r"|max-height\s*:\s*0(?:px)?\s*(?:;|!|$)|text-indent\s*:\s*-\d{3,}",
    re.I,
)
# where mail programs keep the mail that is answered or forwarded
_QUOTE_MARKS = re.compile(
    r"gmail_quote|gmail_attr|gmail_extra|yahoo_quoted|protonmail_quote|moz-cite-prefix"
    r"|moz-forward-container|moz-email-headers-table|divrplyfwdmsg|appendonsend|replyforward"
    r"|outlookmessageheader|zmail_extra|quoted|tutanota_quote|wiseflow|ms-outlook-mobile-reference"
    r"|mail-editor-reference-message-container|x_divrplyfwdmsg|originalmessage|ydp\w*quoted"
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
_INDENT_ONLY = re.compile(r"border\s*:\s*(?:none|0)|border-left\s*:\s*(?:none|0)", re.I)
_DEEPEST = 300


class _Reader(HTMLParser):
    """Collects lines; one frame per open element: (tag, quoted, hidden, preformatted)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._line: list[str] = []
        self._open: list[tuple[str, bool, bool, bool]] = []
        self._below = False
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._break()
            return
        if _BLOCK.fullmatch(tag):
            self._block()
        if tag in ("td", "th"):
            if self._cells and "".join(self._line).strip():
                self._line.append("\t")
            self._cells += 1
        if tag == "tr":
            self._cells = 0
        if _VOID.fullmatch(tag):
            return
        _, quoted, hidden, pre = self._open[-1] if self._open else ("", False, False, False)
        given = {name: value or "" for name, value in attrs}
        marks = f"{given.get('class', '')} {given.get('id', '')}"
        if _SIGNATURE_MARKS.search(given.get("class", "")) or _SIGNATURE_MARKS.search(
            given.get("id", "")
        ):
            self._block()
            self._line.append("-- ")
            self._break()
        self._below = self._below or bool(_ALL_BELOW.search(marks))
        quoted = quoted or self._below or bool(_QUOTE_MARKS.search(marks)) or _is_quote(tag, given)
        hidden = (
            hidden
            or bool(_SILENT.fullmatch(tag))
            or "hidden" in given
            or bool(_HIDDEN.search(given.get("style", "")))
        )
        if len(self._open) < _DEEPEST:
            self._open.append((tag, quoted, hidden, pre or tag == "pre"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # browsers take `<div/>` for an opening tag
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if _BLOCK.fullmatch(tag):
            self._block()
        for index in range(len(self._open) - 1, -1, -1):
            if self._open[index][0] == tag:
                del self._open[index:]
                return

    def handle_data(self, data: str) -> None:
        _, _, hidden, pre = self._open[-1] if self._open else ("", False, False, False)
        if hidden:
            return
        if pre:
            first, *rest = data.split("\n")
            self._line.append(first)
            for line in rest:
                self._break()
                self._line.append(line)
        else:
            self._line.append(re.sub(r"[ \t\r\n\f]+", " ", data))

    def text(self) -> str:
        self._block()
        return "\n".join(self.lines)

    def _block(self) -> None:
        if "".join(self._line).strip():
            self._break()
        else:
            self._line.clear()

    def _break(self) -> None:
        quoted = self._below or (bool(self._open) and self._open[-1][1])
        text = "".join(self._line)
        text = text if text == "-- " else re.sub(r"  +", " ", text).strip(" \n")
        self._line.clear()
        self.lines.append(f"> {text}" if quoted else text)


def _is_quote(tag: str, given: dict[str, str]) -> bool:
    if tag != "blockquote":
        return False
    # a border or `cite` marks a quote; a bare margin is how people indent their own text
    return given.get("type", "").lower() == "cite" or not _INDENT_ONLY.search(
        given.get("style", "")
    )


def html_to_text(page: str) -> str:
    """The visible text of a page; lines of quoted mails begin with `> `. Never raises."""
    reader = _Reader()
    # conditional comments of Outlook are comments, but some of its markup is not valid
    reader.feed(re.sub(r"<!\[(?:if|endif)[^>]{0,200}\]>", "", page))
    reader.close()
    return reader.text()
