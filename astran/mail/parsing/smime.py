"""The mail inside an opaque S/MIME signature (RFC 5652, RFC 8551).

Some programs do not sign beside the text but wrap the text into the signature. Here it is only
unwrapped; who sent it is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_DATA = bytes.fromhex("2a864886f70d010701")
_SEQUENCE, _OID, _OCTETS, _OCTETS_OF_PARTS, _EXPLICIT = 0x30, 0x06, 0x04, 0x24, 0xA0
_CONSTRUCTED = 0x20
_DEEPEST = 12


class _Broken(ValueError):
    """Not BER, or cut off."""


def signed_content(data: bytes) -> bytes | None:
    """The content of a SignedData structure; None where it is encrypted, empty or broken."""
    try:
        outer = dict(_first_two(data, _SEQUENCE))
        if outer.get(_OID) != _SIGNED_DATA or _EXPLICIT not in outer:
            return None
        [(_, signed), *_] = _elements(outer[_EXPLICIT])
        for tag, value in _elements(signed):
            if tag != _SEQUENCE:
                continue
            inner = dict(_elements(value))
            if inner.get(_OID) != _DATA or _EXPLICIT not in inner:
                return None
            return b"".join(_octets(inner[_EXPLICIT]))
    except (_Broken, RecursionError):
        return None
    return None


def _first_two(data: bytes, wanted: int) -> list[tuple[int, bytes]]:
    for tag, value in _elements(data):
        if tag == wanted:
            return list(_elements(value))[:2]
    return []


def _octets(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The pieces of an OCTET STRING, which may be parted into further ones."""
    for tag, value in _elements(data):
        if tag == _OCTETS:
            yield value
        elif tag == _OCTETS_OF_PARTS and depth < _DEEPEST:
            yield from _octets(value, depth + 1)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values that stand side by side."""
    at = 0
    while at < len(data):
        if data[at : at + 2] == b"\0\0":
            return
        tag, begin, end, after = _element(data, at)
        yield tag, data[begin:end]
        at = after


def _element(data: bytes, at: int, depth: int = 0) -> tuple[int, int, int, int]:
    """Tag, begin and end of the value, and where the next element begins."""
    if at + 2 > len(data) or depth > _DEEPEST:
        raise _Broken
    tag, size = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise _Broken
    at += 2
    if size == 0x80:
        # of indefinite length: ends with two zero bytes after its last part
        if not tag & _CONSTRUCTED:
            raise _Broken
        end = at
        while data[end : end + 2] != b"\0\0":
            end = _element(data, end, depth + 1)[3]
        return tag, at, end, end + 2
    if size > 0x80:
        count = size & 0x7F
        if count > 4:
            raise _Broken
        size = int.from_bytes(data[at : at + count], "big")
        at += count
    if at + size > len(data):
        raise _Broken
    return tag, at, at + size, at + size
