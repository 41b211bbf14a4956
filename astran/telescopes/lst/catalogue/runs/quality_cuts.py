"""Which runs are worth their computing, from what DL1 and data check tell of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from astran.base.night_data import MissingRun, RunFile
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts, Dl1Facts
from astran.telescopes.lst.settings import Moon, QualitySettings


@dataclass(frozen=True, slots=True)
class KnownConditions:
    """What is known of a run."""

    run: int
    dl1: Dl1Facts = field(default_factory=Dl1Facts)
    check: CheckFacts = field(default_factory=CheckFacts)


@dataclass(frozen=True, slots=True)
class QualitySelection:
    """The outcome of the cuts."""

    runs: tuple[RunFile, ...]
    left_out: tuple[MissingRun, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    """One cut: what it looks at, and its limit in words."""

    name: str
    what: str
    unit: str
    limit: float | None
    value: Callable[[KnownConditions], float | None]
    upper: bool
    """Whether the limit is the largest value allowed."""
    digits: int = 1

    def fails(self, value: float) -> bool:
        assert self.limit is not None
        return value > self.limit if self.upper else value < self.limit

    def words(self, value: float) -> str:
        side = "above" if self.upper else "below"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.what} {value:.{self.digits}f}{unit} is {side} {self.limit:g} ({self.name})"


def apply_quality_cuts(
    runs: Sequence[RunFile], known: Mapping[int, KnownConditions], settings: QualitySettings
) -> QualitySelection:
    """Apply the cuts to runs whose DL1 is complete.

    What is not known of a run is not held against it, and said in the notes.
    """
    of_runs = [known.get(run.run, KnownConditions(run.run)) for run in runs]
    cuts = _cuts(settings, of_runs)
    reasons: dict[int, str] = {}
    for one in of_runs:
        failed = [
            cut.words(value)
            for cut in cuts
            if (value := cut.value(one)) is not None and cut.fails(value)
        ]
        if settings.moon is Moon.DARK and (height := one.dl1.moon_alt) is not None and height > 0:
            failed.append(f"the moon is up, at {height:.0f} deg (quality.moon)")
        if failed:
            reasons[one.run] = ", ".join(failed)
    notes = list(_unknown(cuts, of_runs, settings))
    if not settings.apply:
        notes += [
            f"Run {run}: {why}; kept, as quality.apply is no." for run, why in reasons.items()
        ]
        return QualitySelection(tuple(runs), (), tuple(notes))
    left_out = tuple(
        MissingRun(run, f"left out by the quality cuts: {why}", may_come=False)
        for run, why in reasons.items()
    )
    if left_out:
        notes.append("To analyse runs that the quality cuts leave out: `quality.apply: no`.")
    good = tuple(run for run in runs if run.run not in reasons)
    return QualitySelection(good, left_out, tuple(notes))


def _cuts(settings: QualitySettings, runs: Sequence[KnownConditions]) -> list[_Cut]:
    best = _typical(one.dl1.rate_422 for one in runs)

    def relative(one: KnownConditions) -> float | None:
        # the data check knows better
        if best is None or one.dl1.rate_422 is None or one.check.rate_422 is not None:
            return None
        return one.dl1.rate_422 / best

    cuts = [
        _Cut(
            "quality.zenith_max",
            "zenith distance",
            "deg",
            settings.zenith_max,
            lambda one: one.dl1.zenith,
            True,
        ),
        _Cut(
            "quality.rate_min",
            "shower rate",
            "Hz",
            settings.rate_min,
            lambda one: one.dl1.rate,
            False,
            0,
        ),
        _Cut(
            "quality.rate_422_min",
            "rate at 422 p.e.",
            "/s/p.e.",
            settings.rate_422_min,
            lambda one: one.check.rate_422,
            False,
            2,
        ),
        _Cut(
            "quality.relative_rate_min",
            "rate around 422 p.e. relative to the night",
            "",
            settings.relative_rate_min,
            relative,
            False,
            2,
        ),
        _Cut(
            "quality.nsb_max",
            "pedestal charge spread",
            "p.e.",
            settings.nsb_max,
            lambda one: one.check.nsb,
            True,
            2,
        ),
        _Cut(
            "quality.pointing_max",
            "spread of the pointing",
            "deg",
            settings.pointing_max,
            lambda one: one.dl1.dec_spread,
            True,
            3,
        ),
    ]
    return [cut for cut in cuts if cut.limit is not None]


def _typical(rates: Iterable[float | None]) -> float | None:
    """Upper quartile: what good runs have, also where some are bad and one is odd."""
    known = sorted(rate for rate in rates if rate is not None and rate > 0)
    return known[math.ceil(0.75 * len(known)) - 1] if len(known) > 1 else None


def _unknown(
    cuts: Sequence[_Cut], runs: Sequence[KnownConditions], settings: QualitySettings
) -> Iterable[str]:
    """What could not be judged, in one note per set of runs."""
    gaps: dict[tuple[int, ...], list[str]] = {}
    for cut in cuts:
        without = tuple(one.run for one in runs if cut.value(one) is None)
        if cut.name == "quality.relative_rate_min":
            # judged by the data check where there is one; a single run has no other beside it
            without = tuple(
                one.run for one in runs if cut.value(one) is None and one.check.rate_422 is None
            )
        if cut.name == "quality.rate_422_min":
            without = ()  # told by the relative rate
        if without:
            gaps.setdefault(without, []).append(cut.what)
    if settings.moon is Moon.DARK and (
        without := tuple(one.run for one in runs if one.dl1.moon_alt is None)
    ):
        gaps.setdefault(without, []).append("moon")
    for without, names in gaps.items():
        of = "any run" if len(without) == len(runs) else "runs " + ", ".join(map(str, without))
        yield f"Quality not known, and not judged, of {of}: {', '.join(names)}."
