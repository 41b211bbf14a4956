"""A stored mail as one HTML page that a browser opens from disk.

The page is self-contained: inline images become data URIs. It cannot run scripts or fetch
anything: its Content-Security-Policy forbids both, and the mail's own HTML is cut down to harmless
elements before it is shown.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from html import escape
from html.parser import HTMLParser

from astran.base.text import one_line, strip_control

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'"
_HEADERS = ("From", "To", "Date", "Subject", "Message-ID", "In-Reply-To", "Auto-Submitted")
_SHEET = """
body{margin:0;background:#eef1f5;color:#1a2330;
font:15px/1.55 -apple-system,BlinkMacSystemFont,"Segoe UI",Roboto,Arial,sans-serif}
.mail-headers,.mail-files{box-sizing:border-box;max-width:660px;margin:0 auto;padding:18px 34px;
font-size:13px;line-height:1.6;overflow-wrap:anywhere}
.mail-headers dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}
.mail-headers dt{color:#56616f}.mail-headers dd{margin:0}
.mail-files h2{font-size:13px;margin:0}.mail-files ul{margin:4px 0 0;padding-left:18px}
.mail-text{max-width:660px;margin:0 auto;padding:24px 34px;box-sizing:border-box;
white-space:pre-wrap;overflow-wrap:anywhere;background:#fff;
font:13px/1.5 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (max-width:520px){.mail-headers,.mail-files,.mail-text{padding:14px 16px}
.mail-headers dl{display:block}.mail-headers dd{margin:0 0 6px}}
@media (prefers-color-scheme:dark){body{background:#0e1319;color:#e7ecf2}
.mail-headers dt{color:#a3afbd}.mail-text{background:#171e27}}
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KEPT = _words(
    "a abbr b blockquote br caption code col colgroup dd div dl dt em figure figcaption footer h1"
    " h2 h3 h4 hr i img li main ol p pre s small span strong sub sup table tbody td tfoot th thead"
    " tr u ul wbr center"
)
_VOID = frozenset({"br", "hr", "img", "col", "wbr"})
_DROPPED_WITH_CONTENT = _words(
    "script template iframe object embed noscript svg math title textarea select"
)
_ATTRIBUTES = _words(
    "align alt aria-label border cellpadding cellspacing class colspan dir height lang role"
    " rowspan scope style title valign width"
)
_IMAGES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8"}


def eml_to_html(raw: bytes) -> str:
    """A self-contained page of a stored mail: headers, body with its images, list of attachments.

    Never raises on a damaged mail: what cannot be read is said so in the page.
    """
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    subject = one_line(_header(message, "Subject"), 300) or "(no subject)"
    style, body = _body(message)
    # the mail's own style comes last: its colours count for the whole page
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(subject)}</title>\n<style>{_SHEET}{style}</style>\n</head>\n<body>\n"
        f"{_headers(message)}{body}{_files(message)}</body>\n</html>\n"
    )


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except (MessageError, ValueError, IndexError, AttributeError):
        # the standard library's header parser stumbles over some malformed headers
        return "(unreadable)"


def _headers(message: EmailMessage) -> str:
    rows = [
        f"<dt>{name}</dt><dd>{escape(value)}</dd>"
        for name in _HEADERS
        if (value := one_line(_header(message, name), 1000))
    ]
    return f'<header class="mail-headers"><dl>{"".join(rows)}</dl></header>\n'


def _files(message: EmailMessage) -> str:
    rows = []
    for part in message.walk():
        if part.is_multipart() or not part.get_filename() or _shown_inline(part):
            continue
        size = len(_bytes(part))
        shown = f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} bytes"
        name = one_line(str(part.get_filename()), 120)
        rows.append(f"<li>{escape(name)} ({escape(part.get_content_type())}, {shown})</li>")
    if not rows:
        return ""
    listed = "".join(rows)
    return (
        '<section class="mail-files" aria-label="Attachments">'
        f"<h2>Attachments</h2><ul>{listed}</ul></section>\n"
    )


def _shown_inline(part: EmailMessage) -> bool:
    return part.get_content_disposition() == "inline" and "Content-ID" in part


def _body(message: EmailMessage) -> tuple[str, str]:
    """Style sheet and markup of what the mail says."""
    html = message.get_body(("html",))
    if html is not None:
        cleaner = _Cleaner(_images(message))
        cleaner.feed(_text(html))
        cleaner.close()
        return cleaner.style, cleaner.markup + "\n"
    plain = message.get_body(("plain",))
    text = _text(plain) if plain is not None else "(this mail holds no text)"
    return "", f'<main class="mail-text">{escape(strip_control(text))}</main>\n'


def _text(part: MIMEPart) -> str:
    charset = part.get_content_charset() or "utf-8"
    try:
        return _bytes(part).decode(charset, errors="replace")
    except LookupError:
        return _bytes(part).decode("utf-8", errors="replace")


def _bytes(part: MIMEPart) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _images(message: EmailMessage) -> dict[str, str]:
    """Data URIs of the inline images by content id; only what is truly an image."""
    found = {}
    for part in message.walk():
        cid = str(part.get("Content-ID", "")).strip().strip("<>")
        data = _bytes(part) if cid and not part.is_multipart() else b""
        for kind, start in _IMAGES.items():
            if data.startswith(start):
                found[cid] = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return found


class _Cleaner(HTMLParser):
    """Keeps harmless elements and attributes, always balanced; everything else goes."""

    def __init__(self, images: Mapping[str, str]) -> None:
        super().__init__(convert_charrefs=True)
        self._images = images
        self._out: list[str] = []
        self._open: list[str] = []
        self._dropping = 0
        self._styles: list[str] = []
        self._in_style = False

    @property
    def markup(self) -> str:
        return "".join(self._out) + "".join(f"</{tag}>" for tag in reversed(self._open))

    @property
    def style(self) -> str:
        return _harmless_style("\n".join(self._styles)).replace("<", "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WITH_CONTENT:
            self._dropping += 1
        elif tag == "style":
            self._in_style = True
        elif self._dropping == 0 and tag in _KEPT:
            self._out.append(f"<{tag}{self._attributes(tag, attrs)}>")
            if tag not in _VOID:
                self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False
        elif tag in _DROPPED_WITH_CONTENT:
            self._dropping = max(0, self._dropping - 1)
        elif self._dropping == 0 and tag in self._open:
            while True:
                last = self._open.pop()
                self._out.append(f"</{last}>")
                if last == tag:
                    break

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._styles.append(data)
        elif self._dropping == 0:
            self._out.append(escape(strip_control(data)))

    def _attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> str:
        kept = []
        for name, value in attrs:
            shown = value or ""
            if name == "style":
                shown = _harmless_style(shown)
            elif tag == "img" and name == "src":
                shown = self._images.get(shown.removeprefix("cid:"), "")
            elif tag == "a" and name == "href":
                if not shown.lower().startswith(("mailto:", "https://", "http://")):
                    continue
            elif name not in _ATTRIBUTES:
                continue
            kept.append(f' {name}="{escape(strip_control(shown))}"')
        return "".join(kept)


def _harmless_style(text: str) -> str:
    """CSS without imports, URLs and escapes, which are the only ways in which it reaches out."""
    return re.sub(r"@import[^;]*;?|url\s*\([^)]*\)?|expression\s*\(|\\", "", text, flags=re.I)
