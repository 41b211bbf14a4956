"""Whether runs point where the random forests were trained.

lstchain evaluates each forest at the two training nodes that are nearest in altitude, of those on
the same side of culmination, and goes linearly in the cosine of the zenith distance from one to
the other, and beyond (add_zd_interpolation_info in lstchain/reco/dl1_to_dl2.py, since 0.10.15).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from astran.base.night_data import Models, RunFile

BEYOND = 0.5
"""Part of the distance of the two nodes up to which a pointing beyond them is not mentioned: a
source culminates a little above the highest node of its declination line."""
SAME_ALTITUDE = 1e-3
"""Difference in cos(zenith) up to which lstchain gives both nodes one weight."""


def describe_extrapolation(runs: Sequence[RunFile], models: Models) -> Iterator[str]:
    """Sentences on the runs whose DL2 will be extrapolated; nothing where there is no table of the
    nodes, or no pointing of the run."""
    if models.training is None:
        yield (
            f"Not checked, as training_dirs.ecsv in {models.folder} cannot be read: whether the "
            "runs point where the forests were trained."
        )
    for run in runs:
        if run.pointing is None or not models.training:
            continue
        zenith, azimuth = run.pointing
        side = math.sin(math.radians(azimuth)) > 0
        same = sorted(z for z, a in models.training if (math.sin(math.radians(a)) > 0) is side)
        if not same:
            yield (
                f"Run {run.run}: the forests were trained on the other side of culmination only "
                f"than its azimuth {azimuth:.0f} deg ({models.folder})."
            )
        elif _beyond(zenith, same) > BEYOND:
            yield (
                f"Run {run.run}: its zenith distance {zenith:.1f} deg lies outside of the nodes "
                f"that the forests were trained at ({same[0]:g} to {same[-1]:g} deg on its side of "
                "culmination): DL2 is extrapolated."
            )


def _beyond(zenith: float, nodes: Sequence[float]) -> float:
    """How far a zenith distance lies beyond the nodes, in distances of the two nearest."""
    if nodes[0] <= zenith <= nodes[-1]:
        return 0.0
    first, second, *_ = (*sorted(nodes, key=lambda node: abs(node - zenith)), nodes[0])
    at, near, far = (math.cos(math.radians(angle)) for angle in (zenith, first, second))
    return abs(at - near) / max(abs(near - far), SAME_ALTITUDE)
