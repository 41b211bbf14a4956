"""Reading the headers of mails from anywhere, however broken, without an exception.

The standard library's modern header parser fails on some malformed headers; so mails are read with
the old, forgiving policy, and what ASTRAN needs of the headers is decoded here.
"""

from __future__ import annotations

import binascii
import email.errors
import email.message
import email.policy
import re
from email.parser import BytesParser
from itertools import islice
from typing import TYPE_CHECKING

from astran.mail.parsing.charsets import decode_bytes

if TYPE_CHECKING:
    Message = email.message.Message[str, str]
else:
    Message = email.message.Message

HEADER_BYTES = 65_536
"""More of the headers is not read; no honest mail comes near."""
SINGLE = frozenset({
    "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id",
    "in-reply-to", "references", "mime-version", "content-type", "content-transfer-encoding",
    "content-disposition", "content-id", "content-description",
})  # fmt: skip
"""Headers that stand once in a mail (RFC 5322 section 3.6, RFC 2045, RFC 2183)."""
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_LINE_ENDS = re.compile(rb"\r?\n")
_FIELD = re.compile(rb"[!-9;-~]+:")
_LONGEST = 20_000
"""Characters of one header that are looked at."""
# RFC 2047: =?charset*language?B or Q?text?=
_WORD = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([bBqQ])\?([^?]*)\?=")
# each may open one more level; the parser goes down by recursion, its time grows with the depth
_NESTING = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.I | re.M)
_MOST_NESTINGS = 200
_MOST_MARKS = 5_000
"""Lines that begin with two hyphens, as those between parts do."""
MAX_HEADERS = 2_000
_LONGEST_ADDRESS = 2_000
"""Of an address header."""
_LONGEST_PLAIN_ADDRESS = 320
"""Of the address in it: more than RFC 5321 allows, and what the store holds."""
# the end may be missing: so no quote is looked at twice, and the time is linear
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.S)
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*"
)
_KIND = re.compile(r"[a-z0-9.+_-]+/[a-z0-9.+_-]+")
# a name without a value is passed in one go
_PARAMETER = re.compile(r"([\w.*-]++)(?:\s*+=\s*+(\"(?:[^\"\\]|\\.)*+\"|[^;\s]*+))?", re.S)
_FOLDED = re.compile(r"\r?\n(?=[ \t])")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


class TooManyParts(email.errors.MessageDefect):
    """More parts, or parts within parts, than anybody can mean."""


class UnclearHeaders(email.errors.MessageDefect):
    """Headers that another program may read in another way; its argument says why."""


def read_message(raw: bytes) -> Message:
    """A mail, or only its headers, as a message object. Never raises on content.

    A mail of too many parts has the defect TooManyParts, and none of them is read. One whose
    headers are not well formed has the defect UnclearHeaders.
    """
    message = _parsed(raw)
    if reason := _malformed(raw):
        message.defects.append(UnclearHeaders(reason))
    return message


def read_headers(raw: bytes) -> Message:
    """The headers of a mail of which the first `HEADER_BYTES` are at hand, or more.

    Whoever judges a mail by its headers reads them here: so the launcher, `check-mail` and the
    verifiers see the same ones.
    """
    return read_message(raw[: _head_length(raw)])


def _parsed(raw: bytes) -> Message:
    parser = BytesParser(policy=email.policy.compat32)
    if raw.count(b"\n--") <= _MOST_MARKS and len(_NESTING.findall(raw)) <= _MOST_NESTINGS:
        return parser.parsebytes(raw)
    message = parser.parsebytes(raw, headersonly=True)
    message.defects.append(TooManyParts())
    return message


def _head_length(raw: bytes) -> int:
    """Bytes of the headers and the empty line below them, as far as they are read."""
    found = _HEAD_ENDS.search(raw, 0, HEADER_BYTES)
    return found.end() if found else min(len(raw), HEADER_BYTES)


def _malformed(raw: bytes) -> str:
    """What is wrong with the headers; empty where all programs cut them alike."""
    length = _head_length(raw)
    if length == HEADER_BYTES and not _HEAD_ENDS.search(raw, 0, HEADER_BYTES):
        return f"the headers are longer than {HEADER_BYTES} bytes"
    lines = _LINE_ENDS.split(raw[:length].rstrip(b"\r\n"))
    if lines[0].startswith((b"From ", b">From ")):
        # the envelope, as mailboxes in one file keep it
        del lines[0]
    for number, line in enumerate(lines):
        folded = number > 0 and line.startswith((b" ", b"\t"))
        if not folded and not _FIELD.match(line):
            return "a line among the headers is none"
        if b"\r" in line or b"\0" in line:
            return "the headers hold a bare CR or NUL"
    return ""


def all_headers(message: Message) -> list[tuple[str, str]]:
    """Every header from top to bottom, as (name in lower case, unfolded undecoded value)."""
    items = islice(message.raw_items(), MAX_HEADERS)
    return [(name.lower(), _unfold(str(value))) for name, value in items]


def values(message: Message, name: str) -> list[str]:
    """All values of a header, from top to bottom, unfolded, not decoded."""
    items = islice(message.raw_items(), MAX_HEADERS)
    return [_unfold(str(value)) for key, value in items if key.lower() == name.lower()]


def value(message: Message, name: str) -> str:
    """The first value of a header, unfolded, not decoded; empty where there is none."""
    return next(iter(values(message, name)), "")


def decode(text: str) -> str:
    """A header value with its encoded words (RFC 2047) decoded, and raw 8-bit bytes guessed."""
    pieces: list[str] = []
    pending: list[tuple[str, bytes]] = []
    end = 0
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        data = _word_bytes(match[2], match[3])
        if between.strip() or not pending:
            pieces += [_join(pending), _eight_bit(between)]
            pending = []
        pending.append((match[1], data))
        end = match.end()
    pieces += [_join(pending), _eight_bit(text[end:])]
    return "".join(pieces)


def one_address(text: str) -> str | None:
    """The one address in an address header, in lower case; None where it is not exactly one."""
    if len(text) > _LONGEST_ADDRESS:
        return None
    # a quote without end stays in the text, which is then no address
    rest = _without_comments(_QUOTED.sub(lambda match: " " if match[1] else '"', text))
    if rest is None or '"' in rest:
        return None
    if "<" not in rest:
        found = rest.strip()
    else:
        before, _, tail = rest.partition("<")
        found, closed, after = tail.partition(">")
        found = found.strip()
        outside = f"{before} {after}"
        if not closed or "<" in found or "<" in after or ">" in after:
            return None
        # some programs repeat the address as an unquoted name; a different one is a trap
        if "@" in outside and outside.strip().lower() != found.lower():
            return None
        if any(c in outside for c in ":;"):
            return None
    fits = len(found) <= _LONGEST_PLAIN_ADDRESS and _ADDRESS.fullmatch(found)
    return found.lower() if fits else None


def addresses(text: str) -> set[str]:
    """Everything in a header that looks like an address, in lower case."""
    return {found.lower() for found in _ADDRESS.findall(text[:_LONGEST])}


def content_type(message: Message) -> tuple[str, dict[str, str]]:
    """`text/plain` and the parameters, both with lower-case names; never raises."""
    text = value(message, "content-type")
    kind, _, rest = text.partition(";")
    kind = kind.strip().lower()
    if not _KIND.fullmatch(kind):
        kind = "text/plain"
    params: dict[str, str] = {}
    for match in _PARAMETER.finditer(rest[:4000]):
        if (given := match[2]) is not None:
            plain = given[1:-1] if given.startswith('"') else given
            params.setdefault(match[1].lower(), plain)
    return kind, params


def _unfold(text: str) -> str:
    return _FOLDED.sub("", text[:_LONGEST]).replace("\r", " ").replace("\n", " ")


def _word_bytes(encoding: str, text: str) -> bytes:
    if encoding in "bB":
        plain = _NOT_BASE64.sub("", text)
        try:
            return binascii.a2b_base64(plain + "=" * (-len(plain) % 4))
        except binascii.Error:
            # one character too many: leave it out
            return binascii.a2b_base64(plain[: len(plain) // 4 * 4])
    return binascii.a2b_qp(text.encode("utf-8", "surrogateescape"), header=True)


def _join(words: list[tuple[str, bytes]]) -> str:
    """Decode neighbours of one charset together: some programs cut within a character."""
    out: list[str] = []
    i = 0
    while i < len(words):
        charset = words[i][0].lower()
        data = b""
        while i < len(words) and words[i][0].lower() == charset:
            data += words[i][1]
            i += 1
        out.append(decode_bytes(data, charset))
    return "".join(out)


def _eight_bit(text: str) -> str:
    if text.isascii():
        return text
    return decode_bytes(text.encode("utf-8", "surrogateescape"), None)


def _without_comments(text: str) -> str | None:
    """The text without (comments, which may be nested); None where a bracket stays open."""
    out: list[str] = []
    depth = 0
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
            continue
        elif char == "(":
            depth += 1
            continue
        elif char == ")":
            if depth == 0:
                return None
            depth -= 1
            continue
        if depth == 0:
            out.append(char)
    return None if depth else "".join(out)
