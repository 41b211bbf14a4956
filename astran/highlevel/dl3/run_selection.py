"""Which of the files of a folder belong to the analysis: readable, of the target, of the night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from astran.base.errors import ProductError
from astran.base.night import Night
from astran.config.analysis import Target
from astran.highlevel.arrays import Floats
from astran.highlevel.dl3.folder import Folder
from astran.highlevel.dl3.run import Dl3Run, Excluded, read_run, too_far
from astran.highlevel.dl3.shared_numbers import name_nights, put_together
from astran.highlevel.geometry import radec, separation, vector
from astran.highlevel.maps.known_sources import find_source, normalise_name, same_name
from astran.highlevel.options import Options

SAME_OBJECT_DEG = 0.1
MOST_NAMES = 12


@dataclass(frozen=True)
class RunSelection:
    """The runs of an analysis, in order of time."""

    target: Target
    runs: tuple[Dl3Run, ...]
    excluded: tuple[Excluded, ...]
    warnings: tuple[str, ...]


def select_runs(folder: Folder, options: Options) -> RunSelection:
    """Read the files of a folder and keep what the options ask for.

    Raises
    ------
    ProductError : no run is left, with the reasons; the target's position is unknown; or the runs
        are of several telescopes
    """
    options = _with_position(options)
    wanted = vector(*options.position) if options.position else None
    warnings = list(folder.warnings)
    excluded = [
        Excluded(run, path.name, "the index names this file, but it is not there.")
        for path, run in sorted(folder.missing.items())
    ]
    excluded += [Excluded(None, str(path), said) for path, said in folder.unusable.items()]
    runs: list[Dl3Run] = []
    for path in folder.files:
        found = read_run(path, wanted, folder.irfs.get(path.resolve(), ()))
        if isinstance(found, Dl3Run):
            runs.append(found)
        elif found is not None:
            excluded.append(found)
    warnings += _without_run(folder, runs)
    runs, doubles, said = put_together(runs)
    runs = name_nights(runs)
    excluded += doubles
    warnings += said
    if options.runs is not None:
        known = {run.obs_id for run in runs} | {item.obs_id for item in excluded}
        if lost := sorted(options.runs - known):
            warnings.append(f"There is no DL3 of run {', '.join(str(run) for run in lost)}.")
        runs, others = _split(runs, options.runs)
        excluded += others
    if options.night is not None and runs:
        runs, others = _of_night(runs, options.night)
        excluded += others
    if not runs:
        raise nothing_left(excluded)
    target, runs, others = _with_target(runs, options)
    excluded += others
    _refuse_several_telescopes(runs)
    runs.sort(key=lambda run: (run.start, run.obs_id))
    warnings += [f"Run {run.obs_id}: {note}" for run in runs for note in run.notes]
    return RunSelection(target, tuple(runs), tuple(excluded), tuple(warnings))


def _without_run(folder: Folder, runs: Sequence[Dl3Run]) -> list[str]:
    """Which of several places hold no run that can be used."""
    read = {run.path.resolve() for run in runs}
    return [
        f"{', '.join(map(str, part.paths))}: none of its files holds a run that can be used; it is "
        "left out, the reasons are with the files."
        for part in folder.parts
        if not read & {file.resolve() for file in part.files}
    ]


def _refuse_several_telescopes(runs: Sequence[Dl3Run]) -> None:
    """One theta cut, one map and one light curve hold for one kind of telescope only.

    Raises
    ------
    ProductError : the files name several telescopes (TELESCOP)
    """
    kinds: dict[str, list[str]] = {}
    for run in runs:
        kind = "".join(filter(str.isalnum, run.telescope.casefold()))
        if kind:  # a file that names none goes with the others
            kinds.setdefault(kind, []).append(run.telescope)
    if len(kinds) > 1:
        listed = ", ".join(f"{names[0]}: {len(names)}" for names in kinds.values())
        raise ProductError(
            f"The runs are of several telescopes ({listed} runs by TELESCOP), whose cuts, "
            "background and response differ.",
            "Analyse the runs of each telescope by themselves: name only their folders, or --runs.",
        )


def nothing_left(excluded: Sequence[Excluded]) -> ProductError:
    """The error that says why no run can be used: each reason once, with its runs."""
    reasons: dict[str, list[str]] = {}
    for item in excluded:
        reasons.setdefault(item.reason.rstrip("."), []).append(str(item.obs_id or item.file))
    said = [
        f"{', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}: {reason}"
        for reason, names in list(reasons.items())[:8]
    ]
    if len(reasons) > 8:
        said.append(f"and {len(reasons) - 8} more reasons")
    if not said:
        said.append("the folder holds no event file")
    return ProductError(f"No usable run: {'; '.join(said)}.")


def _split(runs: Sequence[Dl3Run], wanted: frozenset[int]) -> tuple[list[Dl3Run], list[Excluded]]:
    others = [
        Excluded(run.obs_id, run.path.name, "it is not among the requested runs.")
        for run in runs
        if run.obs_id not in wanted
    ]
    return [run for run in runs if run.obs_id in wanted], others


def _of_night(runs: Sequence[Dl3Run], night: Night) -> tuple[list[Dl3Run], list[Excluded]]:
    """The runs of a night; ProductError where there are none: others are not what was asked for."""
    kept = [run for run in runs if run.night == night]
    if not kept:
        found = ", ".join(item.iso for item in sorted({run.night for run in runs}))
        raise ProductError(
            f"No usable run: none in the folder is of the requested night {night.iso}. The runs "
            f"are of: {found}.",
            "Name one of these nights, or none.",
        )
    others = [
        Excluded(run.obs_id, run.path.name, f"it is of the night {run.night.iso}.")
        for run in runs
        if run.night != night
    ]
    return kept, others


def _with_target(
    runs: Sequence[Dl3Run], options: Options
) -> tuple[Target, list[Dl3Run], list[Excluded]]:
    """The target as given, else as the files' headers agree on it."""
    if options.position is not None:
        name = options.name or _common_name(runs)
        return Target(name=name, ra=options.position[0], dec=options.position[1]), list(runs), []
    place = _place_of(runs, options.name)
    if place is None:
        names = ", ".join(sorted({run.object or "no name" for run in runs})[:MOST_NAMES])
        raise ProductError(
            f"The position of the target is not known (sources in the folder: {names}).",
            "Give --ra and --dec, or --target with a name of the source catalogue.",
        )
    ra, dec = radec(place)
    kept, excluded = [], []
    for run in runs:
        reason = too_far(run.pointing, place)
        if reason is None:
            kept.append(run)
        else:
            excluded.append(Excluded(run.obs_id, run.path.name, f"{reason}."))
    if not kept:
        raise nothing_left(excluded)
    return Target(name=options.name or _common_name(kept), ra=ra, dec=dec), kept, excluded


def _common_name(runs: Sequence[Dl3Run]) -> str:
    names = [run.object for run in runs if run.object]
    return max(set(names), key=names.count)[:60] if names else "Target"


def _with_position(options: Options) -> Options:
    """The options with the catalogue's position, where only a name was given."""
    if options.position is None and options.name and (known := find_source(options.name)):
        return replace(options, name=known.name, position=(known.ra, known.dec))
    return options


def _place_of(runs: Sequence[Dl3Run], name: str) -> Floats | None:
    """Unit vector of the target where no coordinates were given; none where it is not known."""
    candidates = [run for run in runs if not name or same_name(name, run.object)]
    places = [vector(*run.object_position) for run in candidates if run.object_position]
    if places and float(separation(np.array(places), places[0]).max()) <= SAME_OBJECT_DEG:
        return places[0]
    objects = {normalise_name(run.object) for run in candidates}
    if not places and len(objects) == 1 and (known := find_source(objects.pop())) is not None:
        return known.direction
    return None


def in_range(runs: Sequence[Dl3Run], low: float | None, high: float | None) -> tuple[Dl3Run, ...]:
    """The runs with only the events of an energy range [TeV]."""
    return tuple(run.select(low, high) for run in runs)
