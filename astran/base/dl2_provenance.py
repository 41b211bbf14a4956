"""What made a DL2 file, and whether two such files fit together.

IRFs describe data only if the Monte Carlo behind them was reconstructed as the data were: with the
same forests, by an lstchain that uses them in the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath

BREAKS = ((0, 10, 0), (0, 10, 15))
"""First lstchain releases from which DL2 or IRFs are not what the ones before made of the same
input. 0.10.0: create_dl3_file takes the cuts from the IRF. 0.10.15: forests are interpolated over
zenith distance (pull request 1320). Between two breaks dl1_to_dl2 gives the same DL2."""
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Dl2Provenance:
    """What made a DL2 file. Empty: it does not say."""

    lstchain: str = ""
    models: str = ""
    """Folder of the forests."""


UNKNOWN = Dl2Provenance()


def same_models(one: str, other: str) -> bool | None:
    """Whether two folders hold the same forests; None if one is not known.

    A copy elsewhere counts as the same if production and declination line have the same names.
    """
    if not one or not other:
        return None
    if one == other or Path(one).resolve() == Path(other).resolve():
        return True
    left, right = PurePath(one).parts[-2:], PurePath(other).parts[-2:]
    return len(left) == 2 and left == right


def compatible(one: str, other: str, strict: bool = False) -> bool | None:
    """Whether two releases of lstchain make the same of the same input; None if not known.

    Parameters
    ----------
    strict : they must be of the same minor series (0.12.x)
    """
    left, right = _numbers(one), _numbers(other)
    if left is None or right is None:
        return None
    if strict:
        return left[:2] == right[:2]
    return all((left < limit) == (right < limit) for limit in BREAKS)


def conflict(
    what: str, its: Dl2Provenance, against: str, theirs: Dl2Provenance, strict: bool = False
) -> str | None:
    """Why two origins do not fit, in words that begin small and end without a full stop.

    Parameters
    ----------
    what, against : what they are the origins of, for example "its DL2"
    """
    if same_models(its.models, theirs.models) is False:
        return (
            f"{what} was made with the models {_short(its.models)}, {against} with "
            f"{_short(theirs.models)}: choose models and Monte Carlo that belong together "
            "(dl2.models in the request; data.models and data.mc_dl2 of the site), or, if one is a "
            "copy of the other, give it by a link with the same last two names"
        )
    if compatible(its.lstchain, theirs.lstchain, strict) is False:
        return (
            f"{what} was made with lstchain {its.lstchain}, {against} with {theirs.lstchain}, "
            "which reconstruct differently: make them with one release (the key `lstchain` chooses "
            "it)"
        )
    return None


def _short(folder: str) -> str:
    """Production and declination line: what tells folders of models apart."""
    return "/".join(PurePath(folder).parts[-2:]).lstrip("/")


def _numbers(version: str) -> tuple[int, int, int] | None:
    match = _VERSION.match(version.removeprefix("v"))
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None
