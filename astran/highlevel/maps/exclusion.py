"""Places on the sky that must not count as background: the target and known gamma-ray sources.

The sources come from the shipped catalogue (configs/sources.yml); an entry may name the radius of
an extended source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.geometry import deproject, separation
from astran.highlevel.maps.known_sources import KnownSource, load_catalogue

SAME_SOURCE_DEG = 0.1
"""A catalogue source as close to the target as this is the target."""
POINT_REACH_DEG = 0.1
"""Gammas of a point source within this radius would spoil an OFF region."""
MAP_REACH_DEG = 0.25
"""A point source is excluded from the map's background so far."""
FIELD_DEG = 4.5
"""Sources further away from the target are not looked at."""


@dataclass(frozen=True)
class Exclusion:
    """Circles on the sky. The first is the target's."""

    centres: tuple[Floats, ...]
    radii: tuple[float, ...]
    """[deg]."""
    names: tuple[str, ...] = ()
    """Of the further sources."""

    def free(self, directions: Floats) -> Mask:
        """Which directions, shape (..., 3), lie outside of all circles."""
        keep = separation(directions, self.centres[0]) > self.radii[0]
        for centre, radius in zip(self.centres[1:], self.radii[1:], strict=True):
            keep &= separation(directions, centre) > radius
        return keep

    def free_at(self, x: Floats, y: Floats, centre: Floats) -> Mask:
        """The same for points in the tangential plane about a direction [deg]."""
        return self.free(deproject(x, y, centre))

    def grown(self, margin: float) -> Exclusion:
        """The same circles, all larger by a margin [deg]."""
        return Exclusion(self.centres, tuple(r + margin for r in self.radii), self.names)


def known_sources(target: Floats) -> tuple[KnownSource, ...]:
    """Catalogue sources in the target's field, without the target itself."""
    return tuple(
        source
        for source in load_catalogue()
        if SAME_SOURCE_DEG < float(separation(source.direction, target)) < FIELD_DEG
    )


def make_exclusion(
    target: Floats, target_radius: float, sources: Sequence[KnownSource] = ()
) -> Exclusion:
    """What a map must leave out of its background.

    A source whose circle reaches into that of the target counts as well: it is left out, too.
    """
    own = [source.radius for source in load_catalogue() if _is_target(source, target)]
    radius = max([target_radius, *(extent + 0.1 for extent in own)])
    return Exclusion(
        (target, *(source.direction for source in sources)),
        (radius, *(max(MAP_REACH_DEG, source.radius + 0.1) for source in sources)),
        tuple(source.name for source in sources),
    )


def contaminated_by(
    place: Floats, radius: float, sources: Sequence[KnownSource], *, tails: bool = True
) -> KnownSource | None:
    """The first source whose gammas reach into a region of that radius [deg].

    Parameters
    ----------
    tails : whether the tail of the point spread of sources found in the data counts
    """
    for source in sources:
        reach = radius + max(source.radius, POINT_REACH_DEG, source.tail if tails else 0.0)
        if float(separation(source.direction, place)) < reach:
            return source
    return None


def _is_target(source: KnownSource, target: Floats) -> bool:
    return float(separation(source.direction, target)) <= SAME_SOURCE_DEG
