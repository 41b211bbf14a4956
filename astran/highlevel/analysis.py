"""The analysis of a folder: select, count, map, plot, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import numpy as np

from astran.base.errors import in_a_sentence
from astran.base.failures import reason_of
from astran.base.files import write_json
from astran.highlevel.aperture.counts import (
    CutKind,
    RunCounts,
    ThetaCut,
    choose_cut,
    count_on_axis,
    count_run,
    off_threshold,
    points_at,
)
from astran.highlevel.aperture.statistics import stack
from astran.highlevel.aperture.theta2 import (
    cumulative_significance,
    make_theta2_histogram,
)
from astran.highlevel.arrays import Floats
from astran.highlevel.diagnostics.irf_curves import irf_summary
from astran.highlevel.dl3.folder import MAP_FILE, scan_places
from astran.highlevel.dl3.run import Dl3Run, Excluded
from astran.highlevel.dl3.run_selection import in_range, nothing_left, select_runs
from astran.highlevel.failures import Failures, add_left_out
from astran.highlevel.geometry import radec, vector
from astran.highlevel.maps.exclusion import Exclusion, known_sources
from astran.highlevel.maps.field_search import FieldSearch, search_field
from astran.highlevel.maps.known_sources import KnownSource
from astran.highlevel.maps.position import Peak, PositionFit, find_peak, fit_position
from astran.highlevel.maps.ring import EXCLUDED_DEG, SkyMap, make_map
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options
from astran.highlevel.output.assembly import assemble_results, unfinished
from astran.highlevel.output.executable import EXECUTABLE, write_executable
from astran.highlevel.output.gammapy_files import write_gammapy_files
from astran.highlevel.output.table_files import (
    NIGHT_TABLE,
    RUN_TABLE,
    write_map,
    write_night_table,
    write_run_table,
)
from astran.highlevel.spectral.absorption import NoAbsorption, find_absorption
from astran.highlevel.spectral.fit import SpectralChoice
from astran.highlevel.spectral.result_parts import write_files
from astran.highlevel.spectral.spectrum import NoSpectrum, Spectral, make_spectrum
from astran.results.codec import results_to_json
from astran.results.document import RESULTS, FileNames, PartKind, PlotFile, Results


def analyse(options: Options, *, plots: bool = True) -> Results:
    """Run the whole analysis; writes all files and returns the content of results.json.

    The numbers are written before anything else is made from them, so that nothing that fails
    later costs them; then once more with the names of the files and plots that could be made.

    Raises
    ------
    ProductError : no usable run, with the reasons
    """
    found = measure_folder(options)
    options.output.mkdir(parents=True, exist_ok=True)
    results = assemble_results(found, options, datetime.now(UTC))
    place = options.output / RESULTS
    write_json(place, results_to_json(unfinished(results)))
    failures = Failures()
    files = _write_files(results, found, options, failures)
    drawn = (
        failures.attempt(
            PartKind.PLOT, "plots", "Every plot", lambda: _draw(results, found, options, failures)
        )
        if plots
        else None
    )
    results = replace(results, files=files, plots=drawn or ())
    results = add_left_out(results, failures.found)
    write_json(place, results_to_json(results))
    return results


def _draw(
    results: Results, found: FolderMeasurement, options: Options, failures: Failures
) -> tuple[PlotFile, ...]:
    from astran.highlevel.plots.gallery import (
        draw_plots,
    )  # matplotlib, only once there is something

    return draw_plots(results, found.sky, options.output, failures)


def _write_files(
    results: Results, found: FolderMeasurement, options: Options, failures: Failures
) -> FileNames:
    """Write the files beside results.json; returns the names of those that could be written."""
    folder = options.output
    attempt = partial(failures.attempt, PartKind.FILE)

    def run_table() -> str:
        write_run_table(results.runs, folder / RUN_TABLE)
        return RUN_TABLE

    def night_table() -> str | None:
        if not results.by_night:
            return None
        write_night_table(results.by_night, folder / NIGHT_TABLE)
        return NIGHT_TABLE

    def map_file() -> str | None:
        if found.sky is None:
            return None
        write_map(found.sky, found.target, folder / MAP_FILE)
        return MAP_FILE

    names = FileNames(
        run_table=attempt("run_table", f"The file {RUN_TABLE}", run_table),
        map=attempt("map", f"The file {MAP_FILE}", map_file),
        night_table=attempt("night_table", f"The file {NIGHT_TABLE}", night_table),
    )
    executable = attempt(
        "executable",
        f"The files that remake the results ({', '.join(EXECUTABLE)})",
        lambda: write_executable(found, folder),
    )
    names = replace(names, executable=executable)
    if not isinstance(spectral := found.spectral, Spectral):
        return names
    more: FileNames = (
        attempt(
            "spectra",
            "Every file of the spectrum",
            lambda: write_files(spectral, folder, failures),
        )
        or FileNames()
    )
    gammapy = attempt(
        "gammapy",
        "Every file for gammapy",
        lambda: write_gammapy_files(spectral, more.ogip or (), folder),
    )
    return replace(
        names,
        flux_points=more.flux_points,
        light_curve=more.light_curve,
        ogip=more.ogip,
        gammapy=gammapy,
    )


def measure_folder(options: Options) -> FolderMeasurement:
    """All numbers, nothing written. ProductError where no run can be used."""
    selection = select_runs(scan_places(options.dl3), options)
    target = vector(selection.target.ra, selection.target.dec)
    settings = options.settings
    choice = choose_cut(
        selection.runs,
        target,
        options.theta_cut,
        options.fallback_theta,
        options.fallback_origin,
    )
    excluded = [*selection.excluded, *choice.excluded]
    warnings = [*selection.warnings, *choice.warnings]
    low, high = settings.energy_min, settings.energy_max
    runs = in_range(choice.runs, low, high)
    if choice.cut.kind is CutKind.ENERGY_DEPENDENT:
        wanted, threshold = off_threshold(runs, target, settings.off_regions)
        if threshold is not None and (high is None or threshold < high):
            low = threshold
            runs = in_range(runs, low, high)
            warnings.append(
                f"{wanted} OFF regions fit only above {low:.3g} TeV, where the "
                "energy-dependent theta cut is small enough: events below are left out."
            )
    known = known_sources(target)
    first = count_runs(runs, target, choice.cut, settings.off_regions, known)
    radius = choice.cut.theta_deg or _typical_cut(first.counted)
    failures = Failures()
    attempt = partial(failures.attempt, PartKind.CALCULATION)
    search = attempt(
        "map",
        "The sky map",
        lambda: map_field(runs, target, radius, (low, high), known, options),
    )
    sources = (*known, *(source.as_known for source in (search.sources if search else ())))
    if search:
        first = count_runs(runs, target, choice.cut, settings.off_regions, sources, search.sky)
    counted = first.counted
    excluded += first.excluded
    if on_axis := [part.run.obs_id for part in counted if part.off_exposure is not None]:
        warnings.append(
            f"Runs that point at the target ({', '.join(map(str, on_axis))}) have no OFF regions "
            "at its offset: theirs are further out, corrected for the acceptance of the map."
        )
    if not counted:
        raise nothing_left(excluded)
    sky = search.sky.crop(settings.map_width) if search else None
    peak, fit = _position(sky, failures)
    return FolderMeasurement(
        target=selection.target,
        cut=choice.cut,
        runs=tuple(counted),
        excluded=tuple(excluded),
        energy_min=low,
        energy_max=high,
        stacked=stack([part.counts for part in counted]),
        radius=radius,
        theta2=attempt(
            "theta2", "The theta2 distribution", lambda: make_theta2_histogram(counted, radius)
        ),
        steps=attempt(
            "cumulative",
            "The growth of the significance",
            lambda: tuple(cumulative_significance(counted)),
        ),
        sky=sky,
        search=search,
        peak=peak,
        fit=fit,
        spectral=_spectral(
            _beside_target(counted), target, choice.cut, (low, high), options, sources, failures
        ),
        irf=attempt("irf", "The summary of the response", lambda: irf_summary(counted))
        if options.spectrum
        else None,
        warnings=tuple(warnings),
        left_out=failures.found,
    )


@dataclass(frozen=True)
class _Counted:
    counted: list[RunCounts]
    excluded: list[Excluded]


def count_runs(
    runs: Sequence[Dl3Run],
    target: Floats,
    cut: ThetaCut,
    off_regions: int | None,
    sources: Sequence[KnownSource],
    sky: SkyMap | None = None,
) -> _Counted:
    """Count what can be counted; one odd run does not cost the others.

    Parameters
    ----------
    sky : map with the acceptance for runs that point at the target; none: they are left out
    """
    found = _Counted([], [])
    for run in runs:
        try:
            outcome = count_run(run, target, cut, off_regions, sources)
            if isinstance(outcome, Excluded) and sky is not None and points_at(run, target):
                outcome = count_on_axis(run, target, cut, sources, partial(sky.accepted, run))
        except Exception as error:  # noqa: BLE001 - one odd run must not cost the others
            reason = f"its events cannot be counted: {reason_of(error)}."
            outcome = Excluded(run.obs_id, run.path.name, reason)
        if isinstance(outcome, Excluded):
            found.excluded.append(outcome)
        else:
            found.counted.append(outcome)
    return found


def map_field(
    runs: Sequence[Dl3Run],
    target: Floats,
    theta: float,
    energies: tuple[float | None, float | None],
    known: Sequence[KnownSource],
    options: Options,
) -> FieldSearch:
    """The map of the whole field, with what is found in it. `theta` [deg]: of the ON region."""
    settings = options.settings

    def make(circles: Exclusion) -> SkyMap:
        return make_map(
            runs,
            target,
            settings.map_width,
            settings.map_bin,
            settings.map_radius,
            circles,
            energies,
            options.background,
            whole_field=True,
        )

    return search_field(make, target, max(EXCLUDED_DEG, theta + 0.1), known)


def _position(sky: SkyMap | None, failures: Failures) -> tuple[Peak | None, PositionFit | None]:
    """Peak of the map, and the place of a source there."""
    if sky is None:
        return None, None
    attempt = partial(failures.attempt, PartKind.CALCULATION)
    peak = attempt("peak", "The peak of the sky map", lambda: find_peak(sky))
    if peak is None:
        return None, None
    return peak, attempt("position", "The fit of the position", lambda: fit_position(sky, peak))


def _spectral(
    counted: list[RunCounts],
    target: Floats,
    cut: ThetaCut,
    energies: tuple[float | None, float | None],
    options: Options,
    sources: Sequence[KnownSource],
    failures: Failures,
) -> Spectral | NoSpectrum:
    if not options.spectrum:
        return NoSpectrum("No spectrum: it was not asked for.", told=True)
    if not counted:
        return NoSpectrum(
            "No spectrum: all runs point at the target, so that the background at its offset is "
            "not known energy by energy."
        )
    choice, without_ebl = _model_choice(options, target)
    found = failures.attempt(
        PartKind.CALCULATION,
        "spectrum",
        "The spectrum with its light curve",
        lambda: make_spectrum(
            counted,
            cut,
            energies,
            options.settings.energy_min is not None,
            options.threshold,
            options.settings.off_regions,
            sources,
            failures,
            options.settings.confidence,
            options.settings.assumed_index,
            options.stack_by,
            choice,
        ),
    )
    if isinstance(found, Spectral) and without_ebl:
        return replace(found, warnings=(*found.warnings, without_ebl))
    if found is None:
        why = failures.found[-1].reason
        return NoSpectrum(f"No spectrum: its calculation failed: {why}", told=True)
    return found


def _model_choice(options: Options, target: Floats) -> tuple[SpectralChoice, str]:
    """What is to be fitted, and why the absorption that was asked for is not in it."""
    settings = options.settings
    choice = SpectralChoice(settings.spectral_model, settings.spectral_index)
    try:
        absorption = find_absorption(settings.ebl, settings.redshift, radec(target))
    except NoAbsorption as error:
        return choice, f"The spectrum is that at Earth, without the EBL: {in_a_sentence(error)}."
    return replace(choice, absorption=absorption), ""


def _beside_target(counted: list[RunCounts]) -> list[RunCounts]:
    """Runs with OFF regions at the target's offset, which spectra need."""
    return [part for part in counted if part.off_exposure is None]


def _typical_cut(counted: list[RunCounts]) -> float:
    """Median energy-dependent cut of the events in the ON region [deg]."""
    limits: list[Floats] = [part.limit[part.passed[0]] for part in counted]
    values = np.concatenate(limits) if limits else np.zeros(0)
    if values.size == 0:
        return 0.2
    return max(float(np.median(values)), 0.05)
