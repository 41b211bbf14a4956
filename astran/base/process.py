"""The one way to run an external command: argument list, time limit, return code read."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from astran.base.errors import ToolFailed, ToolMissing, ToolTimeout


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """`run` as a port."""

    def __call__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed: ...


def run_command(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
) -> Completed:
    """Run a command to its end and return its output (decoded as UTF-8, never raising on bytes).

    Parameters
    ----------
    argv : the command and its arguments; never a shell string
    timeout : seconds after which the command's whole process group is killed
    check : raise on a non-zero return code

    Raises
    ------
    ToolMissing, ToolTimeout, ToolFailed
    """
    words = tuple(os.fspath(word) for word in argv)
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise ToolMissing(
            f"The command {words[0]!r} was not found.", "Install it or put it on PATH."
        ) from error
    except PermissionError as error:
        raise ToolMissing(
            f"The command {words[0]!r} cannot be executed.", "Check its permissions."
        ) from error
    with process:
        try:
            out, err = process.communicate(stdin.encode(), timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            raise ToolTimeout(f"{words[0]} did not end within {timeout:g} s.") from error
        except BaseException:
            _kill_group(process)
            raise
    done = Completed(
        words, process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
    )
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise ToolFailed(
            f"{words[0]} ended with return code {done.returncode}: {said[-1][:500]}",
            done.returncode,
            done.stdout,
            done.stderr,
        )
    return done


@dataclass(frozen=True, slots=True)
class AttendedProcess:
    """How an attended command ended."""

    returncode: int
    """Negative: ended by that signal."""
    stopped_by: int | None
    """Signal by which this process was asked to stop meanwhile, if it was."""


class ProcessAttendant:
    """Runs one command after another with inherited output, and passes SIGTERM and SIGINT on to
    the command's whole process group.

    While no command runs, such a signal is remembered in `stopped_by`. To be used, as a context,
    in the main thread: it owns these signals (and SIGALRM) until its end.
    """

    def __init__(self, grace: float = 10.0) -> None:
        self.grace = grace
        """Seconds from the passed-on signal to SIGKILL."""
        self.stopped_by: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> ProcessAttendant:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._give_up)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        output: Path | None = None,
    ) -> AttendedProcess:
        """Run a command to its end.

        Parameters
        ----------
        output : file to which stdout and stderr are appended; none: those of this process

        Raises
        ------
        ToolMissing
        """
        with ExitStack() as stack:
            sink = stack.enter_context(output.open("ab")) if output else None
            try:
                self._process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT if sink else None,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
            except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
                raise ToolMissing(
                    f"The command {argv[0]!r} cannot be started: {error.strerror}.",
                    "Check the site's software environment.",
                ) from error
            try:
                if self.stopped_by is not None:  # it came before the process was known here
                    self._pass_on(self.stopped_by)
                returncode = self._process.wait()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                _kill_group(self._process)  # whatever the command left behind
                self._process = None
        return AttendedProcess(returncode, self.stopped_by)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self.stopped_by = number
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self._process is not None:
            _signal_group(self._process, number)
            signal.setitimer(signal.ITIMER_REAL, self.grace)

    def _give_up(self, number: int, _: FrameType | None) -> None:
        if self._process is not None:
            _kill_group(self._process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
