"""Text from bytes, whatever charset they are labelled with. Never raises."""

from __future__ import annotations

import codecs
import re

_CHARSET = re.compile(
    r"(?:utf-?(?:8|16|16-?le|16-?be|32|7)|unicode-1-1-utf-7|us-?ascii|ascii"
    r"|iso[-_]?(?:8859|2022|646)[-_0-9a-z]*"
    r"|latin[-_]?\d+|windows-?\d+|cp-?\d+|ibm-?\d+|koi8-?[rut]|gb(?:k|2312|18030)|big5(?:-?hkscs)?"
    r"|euc[-_](?:jp|kr|cn|tw)|shift[-_]?jis|sjis|ks_c_5601-1987|hz-gb-2312|tis-620|mac[-_]?[a-z]+)",
    re.I,
)
_WIDER = {
    "iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252",
    "ascii": "cp1252", "ansi-x3.4-1968": "cp1252", "iso-8859-9": "cp1254",
    "gb2312": "gb18030", "gbk": "gb18030", "euc-cn": "gb18030",
    "shift-jis": "cp932", "sjis": "cp932", "euc-kr": "cp949", "ks-c-5601-1987": "cp949",
    "big5": "big5hkscs", "iso-2022-jp": "iso2022_jp_ext", "unicode-1-1-utf-7": "utf-7",
}  # fmt: skip
"""What mail programs write when they mean the larger set, as browsers read it too."""
_ONE_BYTE = re.compile(
    r"us-ascii|ascii|ansi-x3\.4-1968|latin-?1|iso-8859-(?:1|9|15)|windows-125[0-8]|cp125[0-8]"
)
# the full-width colon behind a letter gives away a Chinese or Japanese set under a wrong label
_COLONS = {
    "gb18030": re.compile(rb"[A-Za-z_] ?\xa3\xba"),
    "euc_jp": re.compile(rb"[A-Za-z_] ?\xa1\xa7"),
    "cp932": re.compile(rb"[A-Za-z_] ?\x81\x46"),
    "big5hkscs": re.compile(rb"[A-Za-z_] ?\xa1\x47"),
}
# codes that switch sets by escapes (RFC 1468, 1557, 1843): they give themselves away
_ESCAPES = (
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr"),
    (re.compile(rb"~\{(?:[!-}][!-~]){1,2000}~\}"), "hz"),
    (re.compile(rb"\x1b\$(?:[@AB]|\([@ABCD])|\x1b\([IJ]"), "iso2022_jp_ext"),
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_bytes(data: bytes, charset: str | None) -> str:
    """Text from bytes: by the charset that is named if it fits, else UTF-8, else Windows-1252.

    Marks and patterns in the bytes that leave no doubt count more than the name.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, errors="replace")
    named = charset.strip("\"' ").lower().replace("_", "-") if charset else ""
    if not _CHARSET.fullmatch(named.replace("ks-c-5601", "ks_c_5601")):
        named = ""
    if wide := _without_mark(data):
        return data.decode(wide, errors="replace")
    plain = not named or _ONE_BYTE.fullmatch(named) or named == "utf-8"
    if plain and (b"\x1b" in data or b"~{" in data):
        # escapes have no meaning in these
        found = next((name for escape, name in _ESCAPES if escape.search(data)), "")
        if found:
            return data.decode(found, errors="replace")
    # one-byte charsets accept anything, so UTF-8, which does not, is asked first
    tries = ["utf-8"]
    if named and _ONE_BYTE.fullmatch(named):
        tries += [*_given_away(data), _WIDER.get(named, named)]
    elif named:
        tries = [_WIDER.get(named, named), "utf-8", *_given_away(data)]
    else:
        tries += _given_away(data)
    for name in tries:
        try:
            return data.decode(name)
        except (LookupError, ValueError):
            continue
    return _mostly_utf8(data) or data.decode("cp1252", errors="replace")


def _without_mark(data: bytes) -> str:
    """UTF-16 without a mark at its beginning: every other byte of Latin text is zero."""
    head = data[:400]
    if len(head) < 8 or b"\0" not in head:
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 0.4 * len(head) / 2 and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * len(head) / 2 and not odd else ""


def _given_away(data: bytes) -> list[str]:
    return [name for name, pattern in _COLONS.items() if pattern.search(data)]


def _mostly_utf8(data: bytes) -> str:
    """UTF-8 in which a few bytes are spoilt; empty where it rather is something else."""
    text = data.decode("utf-8", errors="replace")
    beyond = sum(not char.isascii() for char in text)
    bad = text.count("\ufffd")
    return text if beyond - bad > bad else ""
