"""The sky map as numbers of results.json."""

from __future__ import annotations

import math

import numpy as np

from astran.highlevel.arrays import Floats, as_tuple
from astran.highlevel.geometry import radec, separation
from astran.highlevel.maps.field_search import FieldSource
from astran.highlevel.maps.position import PositionFit
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.output.warnings import WIDEST_OFF_SIGMA
from astran.results.document import (
    ExcludedCircle,
    FieldSourceNumbers,
    FittedPosition,
    MapNumbers,
    SignificanceHistogram,
    SourceCounterpart,
)


def map_numbers(found: FolderMeasurement) -> MapNumbers | None:
    """`map` of results.json; none without a map."""
    sky, peak = found.sky, found.peak
    if sky is None:
        return None
    off = sky.significance[sky.off_source]
    edges = np.linspace(-6, 6, 49)
    peak_place = sky.direction(peak.x, peak.y) if peak else (None, None)
    middle = len(sky.counts) // 2
    return MapNumbers(
        background=sky.method.value,
        method="ring",
        width_deg=_width(sky),
        bin_deg=sky.bin_deg,
        npix=len(sky.counts),
        radius_deg=sky.radius_deg,
        excluded_radius_deg=sky.excluded_deg,
        field_radius_deg=sky.field_deg,
        ring_inner_deg=sky.ring[0],
        ring_outer_deg=sky.ring[1],
        peak_significance=peak.significance if peak else None,
        peak_ra_deg=peak_place[0],
        peak_dec_deg=peak_place[1],
        peak_offset_deg=peak.offset if peak else None,
        target_significance=sky.significance[middle, middle],
        target_excess=sky.excess[middle, middle],
        fit=_fitted_position(sky, found.fit) if found.fit else None,
        off_mean=off.mean() if off.size else None,
        off_sigma=off.std() if off.size > 1 else None,
        off_pixels=off.size,
        off_max=off.max() if off.size else None,
        flagged=bool(off.size > 1 and off.std() > WIDEST_OFF_SIGMA),
        exclusions=tuple(
            ExcludedCircle(name, radius, *radec(centre))
            for name, centre, radius in zip(
                (found.target.name, *sky.exclusion.names),
                sky.exclusion.centres,
                sky.exclusion.radii,
                strict=True,
            )
        ),
        distribution=SignificanceHistogram(
            edges=as_tuple(edges),
            off_source=as_tuple(np.histogram(off, edges)[0]),
            all=as_tuple(np.histogram(sky.significance[sky.valid], edges)[0]),
        ),
        peak_trials=peak.trials if peak else None,
        peak_after_trials=peak.after_trials if peak else None,
        searched_width_deg=_width(found.search.sky) if found.search else None,
        sources=tuple(
            _field_source(one, sky.target) for one in (found.search.sources if found.search else ())
        ),
    )


def _width(sky: SkyMap) -> float:
    return len(sky.counts) * sky.bin_deg


def _field_source(source: FieldSource, target: Floats) -> FieldSourceNumbers:
    ra, dec = radec(source.direction)
    peak = source.peak
    return FieldSourceNumbers(
        name=source.name,
        ra_deg=ra,
        dec_deg=dec,
        offset_deg=float(separation(source.direction, target)),
        significance=peak.significance,
        trials=peak.trials,
        significance_after_trials=peak.after_trials,
        detected=source.detected,
        excess=peak.excess,
        excluded_radius_deg=source.radius,
        counterparts=tuple(SourceCounterpart(name, away) for name, away in source.counterparts),
    )


def _fitted_position(sky: SkyMap, fit: PositionFit) -> FittedPosition:
    ra, dec = sky.direction(fit.x, fit.y)
    error = math.hypot(fit.x_error, fit.y_error) / math.sqrt(2)
    return FittedPosition(ra, dec, error, fit.offset, fit.width, fit.excess)
