"""The one table of cuts on the events of DL3, beside gammaness and theta.

A further cut is a line here and a field of the same name in `Dl3Settings`: the configurations of
the IRF and DL3 tools, the header of DL3, the words of reports and the check of `dl3.tool` follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class EventCut:
    """A limit on one image parameter, the same for IRFs and data."""

    setting: str
    """Field of `Dl3Settings`; its value None: chosen for each run."""
    column: str
    """Of lstchain's DL2."""
    unit: str
    keyword: str
    """Of the primary header of DL3."""
    comment: str
    upper: bool = False
    """The largest value that passes instead of the least."""

    @property
    def key(self) -> str:
        """Key of a request."""
        return f"dl3.{self.setting}"

    def limit_of(self, dl3: Any) -> float | None:
        """The value in the settings; None: chosen for each run."""
        value: float | None = getattr(dl3, self.setting)
        return value

    def describe(self, dl3: Any) -> str:
        """The cut as a person says it."""
        limit = self.limit_of(dl3)
        if limit is None:
            return f"{self.column} chosen for each run"
        return f"{self.column} {'<' if self.upper else '>'} {limit:g} {self.unit}".rstrip()


EVENT_CUTS: Final = (
    EventCut("intensity_min", "intensity", "p.e.", "CUTINT", "[p.e.] least intensity"),
)


def event_filters(dl3: Any) -> dict[str, list[float | None]]:
    """Limits by column, as `EventSelector.filters` of lstchain's tools takes them."""
    filters: dict[str, list[float | None]] = {}
    for cut in EVENT_CUTS:
        limits = filters.setdefault(cut.column, [0.0, math.inf])
        limits[cut.upper] = cut.limit_of(dl3)
    return filters


def header_cards(dl3: Any) -> list[tuple[str, float, str]]:
    """Keyword, value and comment of each cut."""
    return [(cut.keyword, cut.limit_of(dl3) or 0.0, cut.comment) for cut in EVENT_CUTS]


def describe_event_cuts(dl3: Any) -> str:
    """All cuts in words."""
    return ", ".join(cut.describe(dl3) for cut in EVENT_CUTS)


def cut_against(column: object, limits: Sequence[Any], dl3: Any) -> EventCut | None:
    """The cut whose own key says something else than a range for its column."""
    return next(
        (
            cut
            for cut in EVENT_CUTS
            if cut.column == column
            and (cut.limit_of(dl3) is None or float(limits[cut.upper]) != cut.limit_of(dl3))
        ),
        None,
    )
