"""The one place where handlers of the log are set up: launcher, commands, jobs.

Modules log by `logging.getLogger(__name__)`. The level holds for ASTRAN's own loggers; of other
packages only warnings are shown, whose details could hold secrets.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Literal, TextIO

from astran.base.text import strip_control

LEVEL_VARIABLE = "ASTRAN_LOG_LEVEL"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_log = logging.getLogger(__name__)
_PASSWORD_IN_URL = re.compile(r"(\w://[^\s:/@]*):[^\s/@]+@")
_analysis: ContextVar[str] = ContextVar("analysis", default="")


class LogForm(StrEnum):
    """How a line of the log looks."""

    FULL = "%(asctime)s %(levelname)-7s %(analysis)s%(message)s"
    PLAIN = "%(message)s"
    JOB = "ASTRAN: %(message)s"
    DL2 = "astran dl2: %(message)s"


def configure_logging(
    level: str = "INFO",
    *,
    form: LogForm = LogForm.FULL,
    stream: Literal["stdout", "stderr"] = "stdout",
    verbose: bool = False,
    as_json: bool = False,
) -> None:
    """Send the log of this process to one of its streams; a second call replaces the first.

    Parameters
    ----------
    level : unless the environment variable ASTRAN_LOG_LEVEL names another
    verbose : one level below `level`, whatever the environment names
    as_json : one JSON object per line instead of `form`
    """
    reset_logging()
    handler = _StreamHandler(stream)
    handler.setFormatter(_JsonFormatter() if as_json else _TextFormatter(form))
    logging.getLogger().addHandler(handler)
    wanted = os.environ.get(LEVEL_VARIABLE, "").strip().upper()
    chosen = wanted if wanted in LEVELS else level
    if verbose:
        chosen = LEVELS[max(0, LEVELS.index(level) - 1)]
    logging.getLogger("astran").setLevel(chosen)
    if wanted not in ("", *LEVELS):
        known = ", ".join(LEVELS)
        _log.warning("%s=%s is no level (%s): it is ignored", LEVEL_VARIABLE, wanted, known)


def reset_logging() -> None:
    """Undo `configure_logging`."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _StreamHandler)]:
        root.removeHandler(handler)
    logging.getLogger("astran").setLevel(logging.NOTSET)


@contextmanager
def log_analysis(name: str) -> Iterator[None]:
    """Lines that are logged inside belong to this analysis."""
    token = _analysis.set(name)
    try:
        yield
    finally:
        _analysis.reset(token)


class _StreamHandler(logging.StreamHandler[TextIO]):
    """Writes to what is sys.stdout or sys.stderr at that moment: a live display replaces them."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        logging.Handler.__init__(self)
        self._stream_name = name

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        stream: TextIO = getattr(sys, self._stream_name)
        return stream


class _TextFormatter(logging.Formatter):
    """Lines for people, without control characters and passwords; times are UTC."""

    def __init__(self, form: LogForm) -> None:
        super().__init__(form, "%Y-%m-%d %H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        name = _analysis.get()
        record.analysis = f"{name}: " if name else ""
        return _without_passwords(strip_control(super().format(record)))


class _JsonFormatter(logging.Formatter):
    """One object per line, for programs; times are UTC."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "analysis": _analysis.get() or None,
            "message": _without_passwords(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = _without_passwords(self.formatException(record.exc_info))
        return json.dumps(line)


def _without_passwords(text: str) -> str:
    return _PASSWORD_IN_URL.sub(r"\1:***@", text)
