"""Text from strangers, and words for people."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astran.base.text import count_noun, duration, one_line, quoted_line, shorten, strip_control


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain text\twith tab\nand line", "plain text\twith tab\nand line"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07shell", "shell"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x1b(Bcharset", "charset"),
        ("bell\x07 null\x00 del\x7f", "bell null del"),
        ("a\r\nb\rc\u2028d\x0ce", "a\nb\nc\nd\ne"),
        ("exe.\u202egnp", "exe.gnp"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\ud800lone", "lone"),
        ("σ ± θ² naïve 日本 🔭", "σ ± θ² naïve 日本 🔭"),
    ],
)
def test_harmless(given: str, expected: str) -> None:
    assert strip_control(given) == expected


@given(st.text())
def test_harmless_text_stays_as_it_is(text: str) -> None:
    once = strip_control(text)
    assert strip_control(once) == once
    assert all(char in "\t\n" or char.isprintable() or ord(char) > 0x9F for char in once)


def test_a_megabyte_of_escapes_takes_no_time() -> None:
    start = time.monotonic()
    strip_control("\x1b]" * 500_000)
    strip_control("\x1b[" + "1;" * 500_000)
    one_line("x\n" * 500_000)
    assert time.monotonic() - start < 5


def test_one_line() -> None:
    assert one_line("  a\r\n\t b\u2029c ") == "a b c"
    assert one_line("x" * 300, 10) == "x" * 9 + "…"


def test_quoted_line_keeps_the_indent() -> None:
    assert quoted_line("\tOSError:  \x1b[31mno\x1b[0m  \n") == "    OSError:  no"


def test_shorten() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (42, "42 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.8, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (100_000, "1 d 4 h"),
        (None, "not available"),
        (float("nan"), "not available"),
        (-1, "not available"),
    ],
)
def test_duration(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected


def test_count() -> None:
    assert count_noun(1, "run") == "1 run"
    assert count_noun(0, "run") == "0 runs"
    assert count_noun(2, "analysis", "analyses") == "2 analyses"
