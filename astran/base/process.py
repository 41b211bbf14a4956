"""The one way to run an external command: argument list, time limit, return code read."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astran.base.errors import ToolFailed, ToolMissing, ToolTimeout


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(
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


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
