"""Known gamma-ray sources, from the shipped catalogue (configs/sources.yml)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from astran.base.files import packaged_path
from astran.highlevel.arrays import Floats
from astran.highlevel.geometry import separation, vector


@dataclass(frozen=True)
class KnownSource:
    """A source of the catalogue."""

    name: str
    direction: Floats
    """Unit vector."""
    radius: float
    """Of its emission [deg]; 0 for a point source."""
    ra: float = 0.0
    dec: float = 0.0
    """ICRS [deg]."""
    tail: float = 0.0
    """How far its point spread reaches in the data, where it was found in them [deg]."""
    redshift: float | None = None
    """None where none was measured."""
    spellings: frozenset[str] = frozenset()
    """All its names as `squashed` writes them."""


def normalise_name(name: str) -> str:
    """A name without case, blanks, hyphens and underscores: how files spell a source differs."""
    return "".join(c for c in name.lower() if c.isalnum() or c in "+.")


def find_source(name: str) -> KnownSource | None:
    """The source of the catalogue that has this name."""
    wanted = normalise_name(name)
    return next((source for source in load_catalogue() if wanted in source.spellings), None)


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same, or mean the same source of the catalogue."""
    if normalise_name(one) == normalise_name(other):
        return True
    first = find_source(one)
    return first is not None and normalise_name(other) in first.spellings


def nearest_source(position: tuple[float, float], within_deg: float) -> KnownSource | None:
    """The source of the catalogue that is nearest to a position (RA, Dec, ICRS [deg])."""
    here = vector(*position)
    near = [(float(separation(source.direction, here)), source) for source in load_catalogue()]
    distance_deg, source = min(near, key=lambda item: item[0])
    return source if distance_deg <= within_deg else None


@cache
def load_catalogue() -> tuple[KnownSource, ...]:
    """All sources, in the order of the file; read once."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with (packaged_path("configs") / "sources.yml").open(encoding="utf-8") as handle:
        entries = yaml.load(handle, loader)
    return tuple(
        KnownSource(
            name=entry["name"],
            direction=vector(entry["ra"], entry["dec"]),
            radius=entry.get("radius", 0.0),
            ra=entry["ra"],
            dec=entry["dec"],
            redshift=entry.get("redshift"),
            spellings=frozenset(
                normalise_name(name) for name in (entry["name"], *entry["aliases"])
            ),
        )
        for entry in entries
    )
