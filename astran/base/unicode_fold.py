"""Typographic variants of the characters that the launch language uses, made plain.

Mail programs and keyboards replace blanks, quotes, dashes, colons and digits by prettier ones. Only
these are folded; letters are left alone, so that a look-alike letter never becomes a real one.
"""

from __future__ import annotations

import re

_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_FOLD = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u1680\u202f\u205f\u3000", " "),
        **{chr(code): " " for code in range(0x2000, 0x200B)},
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\uff07", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys("\uff1a\ufe55\ufe13\u2236\u02d0\ua789", ":"),
        **dict.fromkeys("\uff0c\u3001\ufe50", ","),
        **dict.fromkeys("\uff1b\ufe54", ";"),
        **dict.fromkeys("\uff0e\ufe52", "."),
        "\uff0b": "+",
        "\uff1d": "=",
        "\u00ba": "°",
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
    }
)


def fold_punctuation(text: str) -> str:
    """The text with plain blanks, quotes, dashes, colons, commas, points, digits and line ends."""
    return _BREAKS.sub("\n", text).translate(_FOLD)
