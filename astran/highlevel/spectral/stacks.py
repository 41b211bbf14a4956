"""Stacks of runs: by night, by week and month, and by the kind of response.

A fit needs stacks with enough OFF counts in each bin, because few bias WSTAT. Nights hold enough
where they are few; those of a campaign are stacked by the kind of their response instead.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from astran.highlevel.options import StackRule
from astran.highlevel.spectral.spectra import CountsSpectrum, RunSpectrum, stack_spectra

MOST_NIGHTS = 20
"""More nights than that are fitted as stacks by response."""
ZENITH_EDGES_DEG = (0.0, 35.0, 50.0, 62.0, 70.0, 90.0)
"""Zenith distances that have responses of their own: the ranges of MAGIC's simulations (Aleksić et
al. 2016, Astropart. Phys. 72, 76), and beyond."""


@dataclass(frozen=True)
class SpectrumStack:
    """Runs whose counts and responses are added before a fit."""

    name: str
    parts: tuple[RunSpectrum, ...]
    spectrum: CountsSpectrum
    response: str = ""
    """What their responses have in common, in words."""

    @property
    def livetime_s(self) -> float:
        return sum(part.part.run.livetime_s for part in self.parts)

    @property
    def nights(self) -> tuple[str, ...]:
        return tuple(sorted({str(part.part.run.night) for part in self.parts}))

    @property
    def zenith_range_deg(self) -> tuple[float, float] | None:
        """None where no run tells its zenith distance."""
        angles = [z for part in self.parts if (z := part.part.run.zenith) is not None]
        return (min(angles), max(angles)) if angles else None


def stack_by(
    parts: Sequence[RunSpectrum], name: Callable[[RunSpectrum], str]
) -> tuple[SpectrumStack, ...]:
    """Stacks by a name, in the order in which the names come."""
    found: dict[str, list[RunSpectrum]] = {}
    for part in parts:
        found.setdefault(name(part), []).append(part)
    return tuple(
        SpectrumStack(key, tuple(members), stack_spectra([one.spectrum for one in members]))
        for key, members in found.items()
    )


def stack_by_night(parts: Sequence[RunSpectrum]) -> tuple[SpectrumStack, ...]:
    """One stack for each night."""
    return stack_by(parts, lambda part: str(part.part.run.night))


def stack_by_week(parts: Sequence[RunSpectrum]) -> tuple[SpectrumStack, ...]:
    """By the ISO 8601 week of the night: `2013-W44`."""
    return stack_by(parts, lambda part: f"{part.part.run.night.evening:%G-W%V}")


def stack_by_month(parts: Sequence[RunSpectrum]) -> tuple[SpectrumStack, ...]:
    """By the month of the night: `2013-11`."""
    return stack_by(parts, lambda part: f"{part.part.run.night.evening:%Y-%m}")


def stack_by_response(parts: Sequence[RunSpectrum]) -> tuple[SpectrumStack, ...]:
    """One stack for each kind of response: telescope, kind and energy axis of the IRFs, range of
    zenith distance."""
    found: dict[Hashable, list[RunSpectrum]] = {}
    for part in parts:
        found.setdefault(_response_key(part), []).append(part)
    return tuple(
        SpectrumStack(
            f"group-{number}",
            tuple(members),
            stack_spectra([one.spectrum for one in members]),
            _describe_response(members[0]),
        )
        for number, members in enumerate(found.values(), 1)
    )


def stack_for_fit(
    nights: Sequence[SpectrumStack], rule: StackRule | None
) -> tuple[SpectrumStack, ...]:
    """What is fitted together.

    Parameters
    ----------
    rule : none: nights, or stacks by response where the nights are many
    """
    if rule is StackRule.NIGHT or (rule is None and len(nights) <= MOST_NIGHTS):
        return tuple(nights)
    return stack_by_response([part for night in nights for part in night.parts])


def _zenith_range(part: RunSpectrum) -> tuple[float, float] | None:
    zenith = part.part.run.zenith
    if zenith is None:
        return None
    place = int(np.searchsorted(ZENITH_EDGES_DEG, zenith, side="right"))
    place = min(max(place, 1), len(ZENITH_EDGES_DEG) - 1)
    return ZENITH_EDGES_DEG[place - 1], ZENITH_EDGES_DEG[place]


def _response_key(part: RunSpectrum) -> Hashable:
    return part.part.run.telescope, part.response.kind, _zenith_range(part)


def _describe_response(part: RunSpectrum) -> str:
    zenith = _zenith_range(part)
    angles = f"zenith distance {zenith[0]:g} to {zenith[1]:g} deg" if zenith else "zenith unknown"
    return ", ".join(filter(None, (part.part.run.telescope, str(part.response.kind), angles)))
