"""What a plot is. A new one is a new module with its `Plot`, named in `gallery`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from astran.highlevel.maps.ring import SkyMap
from astran.results.document import Results

Part = TypeVar("Part")
Drawn = tuple[Figure, str]
"""A figure, and what it shows in words, for those who do not see it."""


@dataclass(frozen=True, slots=True)
class Plot(Generic[Part]):
    """A plot that may be drawn."""

    name: str
    """Of its files, without suffix."""
    title: str
    phrase: str
    """How a sentence about it calls it."""
    part: Callable[[Results, SkyMap | None], Part | None]
    """What it shows; where there is none, there is no plot."""
    draw: Callable[[Results, Part], Drawn]
    mail: bool = True
    """Whether it belongs into the report mail."""
