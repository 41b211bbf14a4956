"""The least image intensity that a run's data ask for (`dl3.intensity_min: auto`).

lstchain.reco.utils.get_intensity_cut (0.11.0, 2025-04-30): 1.3 times the intensity at which the
rate of showers per p.e. rises to half of its peak, at least 50 p.e.; rounded to 1 p.e., as its
script does. It needs only columns that DL1 has, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from astran.telescopes.lst.catalogue.runs.quality_cuts import KnownConditions
from astran.telescopes.lst.settings import DEFAULT_INTENSITY_PE

FACTOR = 1.3
DOUBTED = 1.5
"""A cut that is so much larger than the data check's may come from light that is no shower's."""


def choose_cut_pe(known: KnownConditions | None) -> tuple[float, str]:
    """The cut of a run [p.e.], and where it comes from."""
    seen = known.dl1.half_peak if known else None
    checked = known.check.value_of("half_peak_seen") if known else None
    if checked is not None and not checked > 0:
        checked = None
    if seen is None:
        if checked is None:
            return DEFAULT_INTENSITY_PE, "lstchain's default, as no peak of the rate is clear"
        return _cut(checked), "by the data check, as no peak of the rate is clear in DL1"
    if checked is not None and _cut(seen) > DOUBTED * _cut(checked):
        return _cut(checked), f"by the data check, which contradicts the {_cut(seen):g} p.e. of DL1"
    return _cut(seen), "by DL1"


def describe_cuts(runs: Sequence[int], known: Mapping[int, KnownConditions]) -> tuple[str, ...]:
    """In words for plan and report."""
    found: dict[tuple[float, str], list[int]] = {}
    for run in runs:
        found.setdefault(choose_cut_pe(known.get(run)), []).append(run)
    return tuple(
        f"Least intensity {cut:g} p.e., {why}: run{'s' * (len(of) > 1)} {', '.join(map(str, of))}."
        for (cut, why), of in sorted(found.items())
    )


def describe_advice(
    runs: Sequence[int], known: Mapping[int, KnownConditions], taken_pe: float
) -> tuple[str, ...]:
    """Where lstchain would recommend a larger cut than the one that is taken [p.e.]."""
    advised = {run: choose_cut_pe(known.get(run))[0] for run in runs}
    larger = [f"{run} ({cut:g} p.e.)" for run, cut in advised.items() if cut > taken_pe]
    if not larger:
        return ()
    return (
        f"Least intensity {taken_pe:g} p.e.; lstchain's get_intensity_cut would recommend more for "
        f"run{'s' * (len(larger) > 1)} {', '.join(larger)}: `dl3.intensity_min: auto` takes that.",
    )


def _cut(half_peak_pe: float) -> float:
    return float(max(DEFAULT_INTENSITY_PE, round(FACTOR * half_peak_pe)))
