"""DL2, IRFs and DL3 of a run must have been made with the same models, by releases of lstchain that
reconstruct alike. lstchain itself notices nothing; a run whose parts do not fit is left out here,
before any computing. (The cuts are seen to in `irfs`: IRFs are chosen by them, or made with them.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from astran.base.dl2_provenance import Dl2Provenance, conflict
from astran.base.night_data import MissingRun, RunFile
from astran.base.tasks import Expectation, InputCheck, InputGuard
from astran.telescopes.lst.planning.irf_choice import IrfSet

OF_IRFS = "the Monte Carlo of its IRFs"


@dataclass(frozen=True, slots=True)
class CompatibleInputs:
    """The outcome."""

    runs: tuple[RunFile, ...]
    left_out: tuple[MissingRun, ...]
    notes: tuple[str, ...]


def select_compatible(
    runs: Iterable[RunFile],
    chosen: Mapping[str, IrfSet],
    origin: Callable[[RunFile], Dl2Provenance],
    strict: bool,
) -> CompatibleInputs:
    """The runs whose DL2 fits their IRFs.

    Parameters
    ----------
    chosen : IRFs by level
    origin : what made, or will make, the DL2 of a run
    strict : see `astran.base.dl2_provenance.compatible`
    """
    good: list[RunFile] = []
    bad: list[MissingRun] = []
    for run in runs:
        its, theirs = origin(run), chosen[run.level].origins
        reasons = (conflict("its DL2", its, OF_IRFS, one, strict) for one in theirs)
        why = next((reason for reason in reasons if reason), None)
        if why is None:
            good.append(run)
        else:
            bad.append(MissingRun(run.run, why, may_come=False))
    origins = {run.run: origin(run) for run in good}
    return CompatibleInputs(
        tuple(good), tuple(bad), (*_of_data(origins), *_of_irfs(chosen, origins))
    )


def mc_provenance(gamma: str, data: Dl2Provenance, strict: bool) -> tuple[InputGuard, ...]:
    """What the DL2 of Monte Carlo must prove before an IRF is made of it: that it was reconstructed
    as the plan reconstructs the data."""
    return (_of_origin(gamma, data, "DL2 of the data", strict),)


def dl3_provenance(
    dl2: str, chosen: IrfSet, cuts: tuple[tuple[str, Expectation], ...], strict: bool
) -> tuple[InputGuard, ...]:
    """What DL2 and the site's own IRFs must prove before DL3 is made of them."""
    known = [one for one in chosen.origins if one != Dl2Provenance()]
    return (
        *(_of_origin(dl2, one, OF_IRFS, strict) for one in known),
        *(InputGuard(irf.path, InputCheck.CUTS, cuts) for irf in chosen.irfs if irf.ready),
    )


def _of_origin(dl2: str, origin: Dl2Provenance, other: str, strict: bool) -> InputGuard:
    expect = (
        ("models", origin.models),
        ("lstchain", origin.lstchain),
        ("strict", strict),
        ("other", other),
    )
    return InputGuard(dl2, InputCheck.ORIGIN, expect)


def _of_data(origins: Mapping[int, Dl2Provenance]) -> Iterable[str]:
    dark = [str(run) for run, one in origins.items() if not one.models or not one.lstchain]
    if dark:
        yield (
            "Not checked, as the files do not tell: which models and lstchain release made DL2 of "
            f"{'run' if len(dark) == 1 else 'runs'} {', '.join(dark)}."
        )


def _of_irfs(chosen: Mapping[str, IrfSet], data: Mapping[int, Dl2Provenance]) -> Iterable[str]:
    releases = {one.lstchain for one in data.values() if one.lstchain}
    for its in chosen.values():
        of = f" of NSB {its.level}" if its.level else ""
        if any(not one.models or not one.lstchain for one in its.origins):
            yield (
                "Not checked, as the files do not tell: which models and lstchain release made "
                f"{its.what}{of}."
            )
        others = {one.lstchain for one in its.origins if one.lstchain} - releases
        if releases and others:
            yield (
                f"DL2 is by lstchain {', '.join(sorted(releases))}, the Monte Carlo of the IRFs"
                f"{of} by {', '.join(sorted(others))}: these releases reconstruct alike."
            )
