"""Patterns on text from outside take a time that is linear in its length, whatever it holds."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest
from mail_samples import mail, settings

import astran.launch_language
import astran.mail
from astran.base.night import Night
from astran.mail.parsing.headers import content_type, read_message
from astran.mail.parsing.new_text import new_text
from astran.service.intake.cpu_limit import cpu_limit
from astran.service.intake.decision import MailOutcome, decide_mail

TODAY = Night.parse("20231210")
_SMALL, _LARGE = 3_000, 30_000
_SURELY_LINEAR_S = 0.1
"""A quadratic time for the large size is half a second and more."""
_RATIO = 40
"""Linear: 10. Quadratic: 100."""
_OTHERS = (
    "astran.base.mail_commands",
    "astran.base.unicode_fold",
    "astran.base.text",
    "astran.catalogue.sources",
    "astran.cli.operation.check_mail",
    "astran.service.intake.bounces",
    "astran.service.intake.mail_commands",
    "astran.service.intake.decision",
    "astran.service.intake.mailbox",
    "astran.service.intake.carry_out",
)


def modules() -> Iterator[ModuleType]:
    for package in (astran.mail, astran.launch_language):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)
    yield from map(importlib.import_module, _OTHERS)


def source(module: ModuleType) -> str:
    assert module.__file__ is not None
    return Path(module.__file__).read_text(encoding="utf-8")


def patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from (found for inner in value.values() for found in patterns_in(inner))
    elif isinstance(value, list | tuple):
        yield from (found for inner in value for found in patterns_in(inner))
    elif is_dataclass(value) and not isinstance(value, type):
        parts = (getattr(value, each.name) for each in fields(value))
        yield from (found for part in parts for found in patterns_in(part))


def uses() -> Iterator[tuple[str, re.Pattern[Any], str]]:
    """Name, pattern and method, once for each way in which a pattern is used."""
    for module in modules():
        text = source(module)
        for name, value in vars(module).items():
            for number, pattern in enumerate(patterns_in(value)):
                called = set(re.findall(rf"\b{re.escape(name)}\.([a-z]+)\(", text))
                known = called & {"match", "fullmatch", "search", "sub", "findall", "finditer",
                                  "split"}  # fmt: skip
                for method in sorted({_alike(one) for one in known or {"search"}}):
                    yield f"{module.__name__}.{name}[{number}].{method}", pattern, method


def _alike(method: str) -> str:
    """`search` that goes on after each match stands for all that look everywhere."""
    return method if method in ("match", "fullmatch") else "sub"


_CHARACTERS = " a1-_.,:;=x\t\n\"'<>()[]/\\@A0#!é中é\r"


class Sampler:
    """Texts that a pattern likes, and those that it likes for long and then does not."""

    def __init__(self, pattern: re.Pattern[Any], style: int) -> None:
        self.binary = isinstance(pattern.pattern, bytes)
        text = pattern.pattern.decode("latin-1") if self.binary else pattern.pattern
        flags = pattern.flags & ~re.UNICODE if self.binary else pattern.flags
        self.tree = _parser.parse(text, flags & ~re.DEBUG)
        self.style = style
        self.pumps: list[tuple[str, str]] = []
        self.whole = self._text(self.tree, "")

    def _text(self, nodes: Any, before: str) -> str:
        made = ""
        for kind, value in nodes:
            made += self._one(kind, value, before + made)
        return made

    def _one(self, kind: Any, value: Any, before: str) -> str:
        if kind is sre.LITERAL:
            return chr(value)
        if kind is sre.NOT_LITERAL:
            return self._pick(lambda char: ord(char) != value)
        if kind is sre.ANY:
            return self._pick(lambda char: char != "\n")
        if kind is sre.IN:
            return self._pick(lambda char: _is_in(char, value))
        if kind is sre.BRANCH:
            texts = [self._text(each, before) for each in value[1]]
            return texts[self.style % len(texts)]
        if kind is sre.SUBPATTERN:
            return self._text(value[3], before)
        if kind is sre.ATOMIC_GROUP:
            return self._text(value, before)
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            low, high, inner = value
            body = self._text(inner, before)
            if high > 8:
                self.pumps.append((before, body))
            return body * max(low, min(high, 1 if self.style != 1 else 0))
        return ""

    def _pick(self, fits: Any) -> str:
        found = [char for char in _CHARACTERS if fits(char)] or ["~"]
        return found[self.style % len(found)]


def _is_in(char: str, items: Any) -> bool:
    negated = bool(items) and items[0][0] is sre.NEGATE
    code = ord(char)
    for kind, value in items[negated:]:
        if (
            (kind is sre.LITERAL and value == code)
            or (kind is sre.RANGE and value[0] <= code <= value[1])
            or (kind is sre.CATEGORY and _of_category(char, value))
        ):
            return not negated
    return bool(negated)


def _of_category(char: str, category: Any) -> bool:
    for name, pattern in (("SPACE", r"\s"), ("DIGIT", r"\d"), ("WORD", r"\w")):
        if str(category).endswith(name):
            return bool(re.match(pattern, char)) != ("NOT" in str(category))
    return False


def _hostile(pattern: re.Pattern[Any], size: int) -> Iterator[str]:
    """Texts of about this size: each repeat pumped up, with an end that fits or does not."""
    # patterns of many repeats have enough to be tried with few characters for each
    styles = 5 if len(Sampler(pattern, 0).pumps) < 20 else 2
    for style in range(styles):
        sampler = Sampler(pattern, style)
        for before, body in sampler.pumps:
            for end in ("", "\x00", " \x00", " x", "x" * 100):
                yield before + body * (size // max(len(body), 1)) + end
            # the beginning again and again, and a long run after each of few beginnings
            yield before * (size // max(len(before), 1))
            yield (before + body) * (size // max(len(before + body), 1)) + "\x00"
        if sampler.whole:
            yield sampler.whole * (size // len(sampler.whole)) + "\x00"
    for char in (" ", "a", "1", "-", "(", '"', "\\"):
        yield char * size


@cache
def hostile(pattern: re.Pattern[Any], size: int) -> list[str]:
    return list(_hostile(pattern, size))


def seconds(pattern: re.Pattern[Any], method: str, text: str) -> float:
    given = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    begin = time.process_time()
    with cpu_limit(2, AssertionError(f"{pattern.pattern!r} {method} on {text[:60]!r}…")):
        if method == "sub":
            for _ in pattern.finditer(given):
                pass
        else:
            getattr(pattern, method)(given)
    return time.process_time() - begin


def is_linear(pattern: re.Pattern[Any], method: str, number: int, large: str) -> bool:
    if seconds(pattern, method, large) < _SURELY_LINEAR_S:
        return True
    small = hostile(pattern, _SMALL)[number]
    # the best of three, and again where that is too slow: others use the machine as well, and what
    # is not linear is so each time
    for _ in range(4):
        times = [min(seconds(pattern, method, text) for _ in range(3)) for text in (small, large)]
        if times[1] < _RATIO * max(times[0], 1e-4):
            return True
    return False


USES = list(uses())


@pytest.mark.parametrize(("name", "pattern", "method"), USES, ids=[use[0] for use in USES])
def test_the_time_grows_with_the_length(name: str, pattern: re.Pattern[Any], method: str) -> None:
    seen: set[str] = set()
    for number, text in enumerate(hostile(pattern, _LARGE)):
        if text not in seen:
            seen.add(text)
            assert is_linear(pattern, method, number, text), (name, text[:80], text[-20:])


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"[\s,;]*(?:(?:run)?[\s#]*\d{1,10}[\s,;]*)+", "fullmatch"),
        (r"\s*\[x", "sub"),
        (r"a\s*b?\s*:", "match"),
        (r"(?:a+)+:", "match"),
        (r";\s*x\s*=\s*([^;]{1,40}?)\s*(?:;|$)", "sub"),
        (r"<([a-z][^<>]*)((?:[^<>\"]|\"[^\"]*\")*)>", "match"),
    ],
)
def test_the_test_finds_what_is_not_linear(pattern: str, method: str) -> None:
    made = re.compile(pattern)
    texts = enumerate(hostile(made, _LARGE))
    try:
        assert not all(is_linear(made, method, number, text) for number, text in texts)
    except AssertionError as error:
        assert " on " in str(error)


def test_the_test_knows_the_patterns() -> None:
    assert len(USES) > 80
    for name in ("lines._BETWEEN_RUNS", "html._TAG", "quotes._PHRASES", "bounces._RECIPIENT"):
        assert any(name in use for use, _, _ in USES), name


_OF_LITERALS = {"_pattern"}
"""Functions that join words which stand for themselves: the time is linear in the text."""


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_each_pattern_has_a_name(module: ModuleType) -> None:
    """Patterns that stand within functions would not be found by the test above."""
    for node in ast.walk(ast.parse(source(module))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
        ):
            assert node.func.attr in ("compile", "escape"), (module.__name__, node.lineno)
    for function in ast.walk(ast.parse(source(module))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
            made = [call for call in calls if ast.unparse(call.func) == "re.compile"]
            assert not made or function.name in _OF_LITERALS, function.name


BLOCK = "target: Crab\ndate: 20231207\n"
_FLOWED = "text/plain; format=flowed"
_HOSTILE: dict[str, bytes] = {
    "runs": mail(body=f"{BLOCK}runs: 15864,\n" + "15866, " * 500 + "(clouds)\n"),
    "digits": mail(body=(f"{BLOCK}runs: 15864,\n" + "1" * 3900 + "x\n") * 90),
    "tag": mail(body="<" + "a" * 390_000 + "\n", Content_Type="text/html"),
    "tags": mail(body=("<" + "a" * 3_000 + "\n") * 130, Content_Type="text/html"),
    "colour": mail(body=f"<p style='color:{' ' * 7000}{'x' * 90}'>" * 50, Content_Type="text/html"),
    "ground": mail(body="<p style='background: ;'>" * 9_000, Content_Type="text/html"),
    "class": mail(body=f"<p class='{'ydp' * 2600}'>" * 50, Content_Type="text/html"),
    "cells": mail(body="<tr>" + "<td> " * 75_000, Content_Type="text/html"),
    "styles": mail(
        body="".join(f"<p style='margin:{n}px;color:#{n:06x}'>x</p>" for n in range(9_000)),
        Content_Type="text/html",
    ),
    "sheet": mail(
        body=f"<style>{'.a .b .c>i{color:red}' * 390}</style>{'<b class=c><i>x' * 600}",
        Content_Type="text/html",
    ),
    "sheets": mail(body="<style>.a{color:red}</style>" * 13_000, Content_Type="text/html"),
    "brackets": mail(body=f"<p style='color:{'(' * 380_000}'>x", Content_Type="text/html"),
    "colours": mail(
        body="<p style='color:rgba(1,2,3,.5);background:rgba(9,9,9,.5)'>" * 6_000,
        Content_Type="text/html",
    ),
    "open quotes": mail(body="<p style='" * 39_000, Content_Type="text/html"),
    "flowed": mail(body="a \n" * 130_000, Content_Type=_FLOWED),
    "introductions": mail(body="On 2023 A <a@b> wrote:\n> x\n" * 14_000),
    "forwarded": mail(body=("forwarded by " + " " * 580 + "x\n") * 600),
    "wrote": mail(body=("am " + "schrieb " * 37 + " " * 280 + "x:\n") * 600),
    "parameters": mail(Content_Type="text/plain; " + "a" * 3_900),
    "quotes": mail(From='"' + '\\"' * 990),
    "parts": mail(
        Content_Type="multipart/mixed; boundary=b",
        body=("--b\nContent-Type: text/x; " + " " * 3_800 + "\n\nx\n") * 190 + "--b--\n",
    ),
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_mail_is_decided_upon_in_time(name: str) -> None:
    begin = time.process_time()
    decide_mail(_HOSTILE[name], settings(), TODAY)
    assert time.process_time() - begin < 5


def test_a_run_list_with_a_remark_is_asked_about() -> None:
    decision = decide_mail(_HOSTILE["runs"], settings(), TODAY)
    assert decision.outcome is MailOutcome.ERROR_REPLY
    assert [problem.line for problem in decision.problems] == [4]


def test_a_ground_without_a_colour_is_read() -> None:
    raw = mail(body="<p style='background: ;'>target: Crab</p>", Content_Type="text/html")
    assert new_text(read_message(raw)) == "target: Crab"


@pytest.mark.parametrize(
    ("written", "params"),
    [
        ("charset=utf-8", {"charset": "utf-8"}),
        ('charset = "a;b" ; Format=flowed', {"charset": "a;b", "format": "flowed"}),
        ("boundary=a charset=utf-8", {"boundary": "a", "charset": "utf-8"}),
        ("alone; charset=utf-8", {"charset": "utf-8"}),
        ('charset="utf-8" (a comment); delsp=yes', {"charset": "utf-8", "delsp": "yes"}),
        ("charset*=utf-8'en'utf-8", {"charset*": "utf-8'en'utf-8"}),
    ],
)
def test_parameters_of_a_content_type(written: str, params: dict[str, str]) -> None:
    message = read_message(f"Content-Type: text/plain; {written}\n\n".encode())
    assert content_type(message) == ("text/plain", params)
