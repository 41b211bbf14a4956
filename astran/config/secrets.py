"""Secrets: a configuration says where one is, never what it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import Field, model_validator

from astran.base.errors import ConfigError
from astran.base.process import run_command
from astran.config.model import Settings


class Secret(Settings):
    """Where a secret is to be found; exactly one of the three."""

    env: str | None = Field(None, description="Name of an environment variable.")
    file: Path | None = Field(None, description="File of mode 0600 with the secret as first line.")
    command: tuple[str, ...] | None = Field(
        None, description="Command, as a list of words, that prints the secret."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        if sum(x is not None for x in (self.env, self.file, self.command)) != 1:
            raise ValueError("name exactly one of env, file, command")
        return self

    def reveal(self) -> str:
        """Fetch the secret.

        Raises
        ------
        ConfigError : it is not there, empty, or in a file that others can read
        ProcessError : the command failed
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise ConfigError(
                    f"The environment variable {self.env} holds no secret.",
                    cure=f"Set {self.env} where ASTRAN runs (the crontab, your shell).",
                )
            return value
        if self.file is not None:
            return _from_file(self.file.expanduser())
        assert self.command is not None
        lines = run_command(self.command, timeout=30).stdout.splitlines()
        if not lines or not lines[0]:
            raise ConfigError(
                f"The command {self.command[0]!r} printed no secret.",
                cure="Run it by hand as the same user.",
            )
        return lines[0]


def _from_file(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ConfigError(
            f"The secret file {path} cannot be read: {error.strerror}.",
            cure="Create it with the secret as its first line and mode 0600.",
        ) from error
    if mode & 0o077:
        raise ConfigError(
            f"The secret file {path} can be read by others (mode {mode:04o}).",
            cure=f"Run: chmod 600 {path}",
        )
    lines = path.read_text().splitlines()
    if not lines or not lines[0].strip():
        raise ConfigError(f"The secret file {path} is empty.", cure="Write the secret into it.")
    return lines[0].strip()
