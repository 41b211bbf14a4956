"""Which runs are worth their computing, from what DL1 and data check tell of them.

The cuts are those of lstchain's notebooks/data_quality.ipynb as of 2026-07-09 (NSB-aware since
2026-01-16), in its order and with its strict comparisons; then a few of ASTRAN's own for what a
night without data check leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from astran.base.night_data import MissingRun, RunFile
from astran.config.analysis import Target
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts, Dl1Facts
from astran.telescopes.lst.catalogue.runs.target_runs import separation_deg
from astran.telescopes.lst.settings import Moon, QualitySettings

CORRECTED_CLEANING = "84"
"""Cleaning at 8 and 4 p.e., for which rate and index need no correction."""
_OF_RATE = ("rate_422", "index", "steady")


@dataclass(frozen=True, slots=True)
class KnownConditions:
    """What is known of a run."""

    run: int
    dl1: Dl1Facts = field(default_factory=Dl1Facts)
    check: CheckFacts = field(default_factory=CheckFacts)
    tailcut: str = ""
    """Of its DL1, as in the path: tailcut84."""


@dataclass(frozen=True, slots=True)
class CutStep:
    """How many runs a cut and those before it leave."""

    cut: str
    left: int


@dataclass(frozen=True, slots=True)
class QualitySelection:
    """The outcome of the cuts."""

    runs: tuple[RunFile, ...]
    left_out: tuple[MissingRun, ...]
    notes: tuple[str, ...]
    steps: tuple[CutStep, ...] = ()


@dataclass(frozen=True, slots=True)
class QualityCut:
    """One cut: what it looks at, and its limits."""

    keys: tuple[str, ...]
    what: str
    unit: str
    value: Callable[[KnownConditions], float | None]
    """None: not known, and so not judged. NaN: should be known, and is no number."""
    low: float | None = None
    high: float | None = None
    strict: bool = True
    """Whether a value at a limit fails."""
    number_needed: bool = True
    """Whether NaN fails."""
    digits: int = 1

    def fails(self, value: float) -> bool:
        if math.isnan(value):
            return self.number_needed
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return not (low < value < high if self.strict else low <= value <= high)

    def describe_failure(self, value: float) -> str:
        if math.isnan(value):
            return f"{self.what} is not in its data check ({self.keys[0]})"
        unit = f" {self.unit}" if self.unit else ""
        below = self.low is not None and not value > self.low and (self.strict or value < self.low)
        limit, key = (self.low, self.keys[0]) if below else (self.high, self.keys[-1])
        at = value == limit
        side = "not above" if below and at else "below" if below else "not below" if at else "above"
        return f"{self.what} {value:.{self.digits}f}{unit} is {side} {limit:g} ({key})"

    @property
    def limits(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and self.high is not None:
            return f"{self.what} {self.low:g} to {self.high:g}{unit}"
        if self.low is not None:
            return f"{self.what} above {self.low:g}{unit}"
        return f"{self.what} below {self.high:g}{unit}"


def apply_quality_cuts(
    runs: Sequence[RunFile],
    known: Mapping[int, KnownConditions],
    settings: QualitySettings,
    target: Target | None = None,
) -> QualitySelection:
    """Apply the cuts to runs whose DL1 is complete.

    What is not known of a run is not held against it, and said in the notes.

    Parameters
    ----------
    target : the source, for the cut on the offset; none: that cut is not made
    """
    of_runs = [known.get(run.run, KnownConditions(run.run)) for run in runs]
    of_runs = [_without_uncorrected(one) for one in of_runs]
    cuts = quality_cuts(settings, of_runs, target)
    failed = {one.run: list(_failures(cuts, one)) for one in of_runs}
    steps = _count_steps(cuts, of_runs, failed)
    reasons = {run: ", ".join(why for _, why in found) for run, found in failed.items() if found}
    notes = list(_unknown(cuts, of_runs))
    if runs:
        notes.append(_describe_steps(steps, len(runs)))
    if not settings.apply:
        notes += [
            f"Run {run}: {why}; kept, as quality.apply is no." for run, why in reasons.items()
        ]
        return QualitySelection(tuple(runs), (), tuple(notes), steps)
    left_out = tuple(
        MissingRun(run, f"left out by the quality cuts: {why}", may_come=False)
        for run, why in reasons.items()
    )
    if dim := [run for run, found in failed.items() if found and _only_rate(found)]:
        notes.append(
            f"Only the rate at 422 p.e. speaks against run{'s' * (len(dim) > 1)} "
            f"{', '.join(map(str, dim))}: a correction of the light yield may save "
            f"{'them' if len(dim) > 1 else 'it'}."
        )
    if left_out:
        notes.append(
            "To analyse runs that the quality cuts leave out: `quality.apply: no`, or `none` for "
            "the key that is named."
        )
    good = tuple(run for run in runs if run.run not in reasons)
    return QualitySelection(good, left_out, tuple(notes), steps)


def quality_cuts(
    settings: QualitySettings, runs: Sequence[KnownConditions], target: Target | None
) -> list[QualityCut]:
    """The cuts that are on, in the order in which runs left are counted."""
    made = [
        *_notebook_cuts(settings, target),
        *_own_cuts(settings, _typical(one.dl1.rate_422 for one in runs)),
    ]
    return [cut for cut in made if cut.low is not None or cut.high is not None]


def _notebook_cuts(settings: QualitySettings, target: Target | None) -> Iterable[QualityCut]:
    def offset(one: KnownConditions) -> float | None:
        ra, dec = one.check.value_of("ra"), one.check.value_of("dec")
        if target is None or ra is None or dec is None:
            return None
        if math.isnan(ra) or math.isnan(dec):
            return math.nan
        return separation_deg(ra, dec, target.ra, target.dec)

    yield QualityCut(
        ("quality.offset_min", "quality.offset_max"),
        "offset from the target",
        "deg",
        offset,
        settings.offset_min,
        settings.offset_max,
        digits=3,
    )
    yield QualityCut(
        ("quality.zenith_min", "quality.zenith_max"),
        "zenith distance",
        "deg",
        lambda one: _either(one.check.value_of("zenith"), one.dl1.zenith),
        settings.zenith_min,
        settings.zenith_max,
    )
    yield QualityCut(
        ("quality.nsb_max",),
        "pedestal charge spread",
        "p.e.",
        lambda one: one.check.value_of("nsb"),
        high=settings.nsb_max,
        strict=False,
        number_needed=False,
        digits=2,
    )
    for kind in ("pedestals", "flatfields"):
        yield QualityCut(
            ("quality.interleaved",),
            f"number of interleaved {kind[:-1]} events",
            "",
            lambda one, kind=kind: one.check.value_of(kind),  # type: ignore[misc]
            0.0 if settings.interleaved else None,
            digits=0,
        )
    yield QualityCut(
        ("quality.pointing_max",),
        "spread of the pointing",
        "deg",
        lambda one: _either(one.check.value_of("dec_spread"), one.dl1.dec_spread),
        high=settings.pointing_max,
        digits=3,
    )
    yield QualityCut(
        ("quality.fit_p_min",),
        "fit quality of dR/dI",
        "",
        _fit_statistic,
        settings.fit_p_min,
        digits=2,
    )
    yield QualityCut(
        ("quality.periodicity_max",),
        "Lomb-Scargle power of the rate",
        "",
        lambda one: one.check.value_of("periodic"),
        high=settings.periodicity_max,
        strict=False,
        number_needed=False,
        digits=3,
    )
    yield QualityCut(
        ("quality.index_min", "quality.index_max"),
        "index of dR/dI",
        "",
        lambda one: one.check.value_of("index"),
        settings.index_min,
        settings.index_max,
        digits=3,
    )
    yield QualityCut(
        ("quality.rate_422_min",),
        "rate at 422 p.e.",
        "/s/p.e.",
        lambda one: one.check.value_of("rate_422"),
        settings.rate_422_min,
        digits=2,
    )
    yield QualityCut(
        ("quality.stable_fraction_min",),
        "fraction of subruns of one rate",
        "",
        lambda one: one.check.value_of("steady"),
        settings.stable_fraction_min,
        digits=2,
    )
    yield QualityCut(
        ("quality.half_peak_max",),
        "intensity at half of the peak rate",
        "p.e.",
        lambda one: one.check.value_of("half_peak"),
        high=settings.half_peak_max,
        strict=False,
        number_needed=False,
    )
    yield QualityCut(
        ("quality.apply",),
        "number of subruns in the data check",
        "",
        lambda one: 0.0 if one.check.absent else one.check.subruns or None,
        0.0,
        digits=0,
    )


def _own_cuts(settings: QualitySettings, best: float | None) -> Iterable[QualityCut]:
    """`best`: rate at 422 p.e. of good runs of the night, by DL1."""

    def relative(one: KnownConditions) -> float | None:
        # the data check knows better
        if best is None or one.dl1.rate_422 is None or one.check.rate_422 is not None:
            return None
        return one.dl1.rate_422 / best

    yield QualityCut(
        ("quality.rate_min",),
        "shower rate",
        "Hz",
        lambda one: one.dl1.rate,
        settings.rate_min,
        strict=False,
        digits=0,
    )
    yield QualityCut(
        ("quality.relative_rate_min",),
        "rate around 422 p.e. relative to the night",
        "",
        relative,
        settings.relative_rate_min,
        strict=False,
        digits=2,
    )
    yield QualityCut(
        ("quality.moon",),
        "altitude of the moon",
        "deg",
        lambda one: one.dl1.moon_alt,
        high=0.0 if settings.moon is Moon.DARK else None,
        strict=False,
        digits=0,
    )


def _fit_statistic(one: KnownConditions) -> float | None:
    """(mean P - 0.5) sqrt(12 n): a standard normal number where all fits are good."""
    p_value = one.check.value_of("fit_p")
    return None if p_value is None else (p_value - 0.5) * math.sqrt(12 * one.check.subruns)


def _either(checked: float | None, otherwise: float | None) -> float | None:
    return otherwise if checked is None else checked


def _without_uncorrected(one: KnownConditions) -> KnownConditions:
    """Rate and index of images cleaned above 8 p.e. mean nothing where the data check does not
    correct them (lstchain before 0.11.4)."""
    check, tailcut = one.check, one.tailcut.removeprefix("tailcut")
    corrected = check.cleaned is not None or tailcut in ("", CORRECTED_CLEANING)
    if corrected or check.rate_422 is None:
        return one
    kept = tuple(name for name in check.undefined if name not in _OF_RATE)
    return replace(
        one, check=replace(check, rate_422=None, index=None, steady=None, undefined=kept)
    )


def _failures(cuts: Sequence[QualityCut], one: KnownConditions) -> Iterable[tuple[QualityCut, str]]:
    for cut in cuts:
        value = cut.value(one)
        if value is not None and cut.fails(value):
            yield cut, cut.describe_failure(value)


def _only_rate(failed: Sequence[tuple[QualityCut, str]]) -> bool:
    return {cut.keys[0] for cut, _ in failed} <= {
        "quality.rate_422_min",
        "quality.stable_fraction_min",
    }


def _count_steps(
    cuts: Sequence[QualityCut],
    runs: Sequence[KnownConditions],
    failed: Mapping[int, Sequence[tuple[QualityCut, str]]],
) -> tuple[CutStep, ...]:
    """Of the cuts by which some run could be judged."""
    left = {one.run for one in runs}
    steps = []
    for cut in cuts:
        if all(cut.value(one) is None for one in runs):
            continue
        left = {run for run in left if all(other is not cut for other, _ in failed[run])}
        steps.append(CutStep(cut.limits, len(left)))
    return tuple(steps)


def _describe_steps(steps: Sequence[CutStep], found: int) -> str:
    rows = "".join(f"; {step.cut}: {step.left}" for step in steps)
    return f"Runs left after each quality cut, of {found} found{rows}."


def _typical(rates: Iterable[float | None]) -> float | None:
    """Upper quartile: what good runs have, also where some are bad and one is odd."""
    known = sorted(rate for rate in rates if rate is not None and rate > 0)
    return known[math.ceil(0.75 * len(known)) - 1] if len(known) > 1 else None


def _unknown(cuts: Sequence[QualityCut], runs: Sequence[KnownConditions]) -> Iterable[str]:
    """What could not be judged, in one note per set of runs."""
    gaps: dict[tuple[int, ...], list[str]] = {}
    for cut in cuts:
        without = tuple(one.run for one in runs if cut.value(one) is None)
        if cut.keys[0] == "quality.relative_rate_min":
            # judged by the data check where there is one; a single run has no other beside it
            without = tuple(
                one.run for one in runs if cut.value(one) is None and one.check.rate_422 is None
            )
        if cut.keys[0] in ("quality.rate_422_min", "quality.apply"):
            without = ()  # told by the relative rate; by the others
        if without:
            gaps.setdefault(without, []).append(cut.what)
    for without, names in gaps.items():
        of = "any run" if len(without) == len(runs) else "runs " + ", ".join(map(str, without))
        yield f"Quality not known, and not judged, of {of}: {', '.join(names)}."
