"""Which targets stay out of the pages, by the rule of the site."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from astran.base.errors import CatalogueError
from astran.catalogue.sources import resolve_source

_NEAR_DEG = 0.1
"""A target so close to a private source is that source, whatever it is called."""


def private_rule(names: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """A function that tells of the configuration of an analysis whether it is private."""
    if not names:
        return lambda config: False
    patterns = {_squash(name) for name in names}
    places = []
    for name in names:
        try:
            source = resolve_source(name)
        except CatalogueError:
            continue  # a pattern, or a name of the site's own
        patterns.add(_squash(source.name))
        places.append((source.ra, source.dec))

    def private(config: Mapping[str, Any]) -> bool:
        target = config["target"]
        squashed = _squash(str(target["name"]))
        if any(fnmatchcase(squashed, pattern) for pattern in patterns):
            return True
        here = (float(target["ra"]), float(target["dec"]))
        return any(_apart_deg(here, place) < _NEAR_DEG for place in places)

    return private


def _squash(name: str) -> str:
    """Case and blanks do not matter."""
    return "".join(name.casefold().split())


def _apart_deg(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Angle between two positions (RA, Dec) [deg], by the haversine formula."""
    ra1, dec1, ra2, dec2 = map(math.radians, (*a, *b))
    h = (
        math.sin((dec2 - dec1) / 2) ** 2
        + math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    )
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))
