"""The tools of one software environment, as they say themselves what they can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from astran.base.errors import ConfigError


class Tool(StrEnum):
    """The lstchain commands that ASTRAN uses."""

    DL1_TO_DL2 = "lstchain_dl1_to_dl2"
    CREATE_IRF = "lstchain_create_irf_files"
    CREATE_DL3 = "lstchain_create_dl3_file"
    CREATE_INDEX = "lstchain_create_dl3_index_files"


@dataclass(frozen=True, slots=True)
class Toolset:
    """A probed environment."""

    name: str
    """Its name in the site configuration."""
    version: str
    """Version of lstchain that it holds."""
    bin: str = ""
    """Folder of the tools; empty: they are on PATH once the environment is entered."""
    options: Mapping[Tool, frozenset[str]] = field(default_factory=dict)
    """Long options of each tool, without the dashes."""
    prefix: tuple[str, ...] = ()
    """Words before each command, for example `apptainer exec IMAGE`."""
    standard: Mapping[str, Any] = field(default_factory=dict)
    """lstchain's standard configuration, whole."""
    traits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters of the tools for IRFs and DL3, by class and name: kind, default, choices."""

    def program(self, name: str) -> tuple[str, ...]:
        """The first words of a command line with a program of the environment."""
        return (*self.prefix, str(Path(self.bin, name)) if self.bin else name)

    def command(self, tool: Tool) -> tuple[str, ...]:
        """The first words of a command line with a tool."""
        return self.program(tool.value)

    def knows(self, tool: Tool, option: str) -> bool:
        """Whether the tool has that long option."""
        return option in self.options.get(tool, frozenset())

    def require(self, tool: Tool, *options: str) -> None:
        """Make sure that a tool exists and has all these long options (ConfigError otherwise)."""
        if tool not in self.options:
            raise ConfigError(
                f"lstchain {self.version} (environment {self.name!r}) has no command {tool.value}.",
                cure="Choose another version with the key `lstchain`.",
            )
        unknown = [option for option in options if not self.knows(tool, option)]
        if unknown:
            listed = ", ".join(f"--{option}" for option in unknown)
            raise ConfigError(
                f"{tool.value} of lstchain {self.version} (environment {self.name!r}) does not "
                f"know {listed}.",
                cure="Choose another version with the key `lstchain`.",
            )
