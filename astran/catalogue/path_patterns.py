"""Path patterns of the site configuration.

They hold {date}, {run}, {subrun}, {version}, {tailcut}, {dec} (declination line of the models),
{nsb} (level of their night-sky background) and wildcards.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from astran.base.errors import SiteNotReady
from astran.base.files import name_trunk
from astran.base.night_data import FileRef

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_GROUPS = {"run": r"0*(?P<run>\d+)", "version": r"(?P<version>[^/]+)"}
_GROUPS |= {"tailcut": r"(?P<tailcut>[^/]+)", "subrun": r"(?P<subrun>\d{4})"}
_GROUPS |= {"date": r"(?P<date>\d{8})", "nsb": r"(?P<nsb>\d+(?:\.\d+)?)"}
_VERSION = re.compile(r"v?\d")
_BACKUP = re.compile(
    r"(?:^|[._ -])(?:old|bak|backup|test|tmp|copy|orig|trash)\d*(?:[._ -]|$)|~$", re.IGNORECASE
)
_NONE = Version("0")
_GROUPS["dec"] = r"(?P<dec>dec_(?:min_)?\d+)"


@dataclass(frozen=True, slots=True)
class MatchedPath:
    """A file that fits a pattern, with what stood at the open placeholders."""

    file: FileRef
    run: int | None
    version: str
    tailcut: str
    date: str = ""
    nsb: str = ""


def find_files(pattern: str, **known: str) -> Iterator[MatchedPath]:
    """Files that fit a pattern, by path.

    Parameters
    ----------
    known : placeholders whose value is fixed, for example date="20231207"; {date}, {run},
        {subrun}, {version}, {tailcut}, {nsb} and {dec} may stay open and are read from the paths

    Raises
    ------
    SiteNotReady : a placeholder that does not exist, or a relative path
    """
    if not pattern.startswith("/"):
        raise _not_absolute(pattern)
    matcher = re.compile(_regex(pattern, known))
    for path in sorted(Path("/").glob(_glob(pattern, known).lstrip("/"))):
        match = matcher.fullmatch(str(path))
        file = stat_file(path) if match else None
        if match and file:
            values = match.groupdict()
            run = values.get("run")
            yield MatchedPath(
                file,
                None if run is None else int(run),
                values.get("version") or "",
                values.get("tailcut") or "",
                values.get("date") or known.get("date", ""),
                values.get("nsb") or known.get("nsb", ""),
            )


def find_folders(pattern: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Folders that fit a pattern, by path, each with what stood at its placeholders.

    Raises
    ------
    SiteNotReady : as `find`
    """
    if not pattern.startswith("/"):
        raise _not_absolute(pattern)
    matcher = re.compile(_regex(pattern, {}))
    for path in sorted(Path("/").glob(_glob(pattern, {}).lstrip("/"))):
        match = matcher.fullmatch(str(path))
        if match and path.is_dir():
            yield path, match.groupdict()


def stat_file(path: Path) -> FileRef | None:
    """A regular file as it is now; None if it is none (any more)."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return FileRef(str(path), stat.st_size, stat.st_mtime_ns) if path.is_file() else None


def find_dangling_links(pattern: str, **known: str) -> list[tuple[str, str]]:
    """Links that fit a pattern and lead nowhere: where each is, and what it points to."""
    matcher = re.compile(_regex(pattern, known))
    return [
        (str(path), str(path.readlink()))
        for path in sorted(Path("/").glob(_glob(pattern, known).lstrip("/")))
        if path.is_symlink() and not path.exists() and matcher.fullmatch(str(path))
    ]


def out_of_reach(pattern: str, **known: str) -> Path | None:
    """The folder because of which nothing that fits a pattern can be found; None: there is none.

    The fixed part of the pattern must be there; what its placeholders name may be absent, but not
    unreadable.
    """
    if not pattern:
        return None
    if not (top := _fixed(pattern)).is_dir():
        return top
    place = _fixed(_glob(pattern, known))
    while not os.path.lexists(place):
        place = place.parent
    return None if os.access(place, os.R_OK | os.X_OK) else place


def _fixed(pattern: str) -> Path:
    return name_trunk(Path(pattern).parent)


def placeholders(pattern: str) -> frozenset[str]:
    """Names of the placeholders in a pattern."""
    return frozenset(_PLACEHOLDER.findall(pattern))


def version_order(version: str) -> tuple[bool, Version, tuple[tuple[int, int, str], ...]]:
    """Sorts releases as PEP 440 has it, after all that is none; of the rest any number after any
    word."""
    release = _parse_release(version)
    parts = re.findall(r"\d+|[A-Za-z]+", version.removeprefix("v"))
    natural = tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts)
    return release is not None, release or _NONE, natural


def is_release(name: str) -> bool:
    """Whether a folder is a regular production by its name: `v0.10`, `0.10.5.post1`, `tailcut84`.

    A pre-release (`v0.10.5rc1`), a version with words behind it (`v0.10.5_test`, `v0.11_crab`) and
    a backup (`tailcut84_old`, `v0.10.bak`) are none. Names of another scheme are taken as they are.
    """
    if _VERSION.match(name):
        return _parse_release(name) is not None
    return not _BACKUP.search(name)


def _parse_release(name: str) -> Version | None:
    try:
        version = Version(name)
    except InvalidVersion:
        return None
    return None if version.is_prerelease or version.local else version


def _not_absolute(pattern: str) -> SiteNotReady:
    return SiteNotReady(
        f"The pattern {pattern!r} is not an absolute path.",
        cure="Correct it in the site configuration, section data.",
    )


def _glob(pattern: str, known: dict[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        name = match[1]
        return glob.escape(known[name]) if name in known else "*"

    # {run}* would read **, which means any depth
    return re.sub(r"\*+", "*", _PLACEHOLDER.sub(fill, pattern))


def _regex(pattern: str, known: dict[str, str]) -> str:
    words: list[str] = []
    seen: set[str] = set()
    for piece in re.findall(r"\{\w+\}|\*+|\?|\[[^\]]+\]|[^{*?\[]+|.", pattern):
        name = piece[1:-1] if _PLACEHOLDER.fullmatch(piece) else ""
        if name in known:
            words.append(re.escape(known[name]))
        elif name in seen:
            words.append(f"(?P={name})")
        elif name in _GROUPS:
            seen.add(name)
            words.append(_GROUPS[name])
        elif name:
            raise SiteNotReady(
                f"The pattern {pattern!r} holds the unknown placeholder {piece}.",
                cure="Known are {date}, {run}, {subrun}, {version}, {tailcut}, {dec} and {nsb}.",
            )
        elif piece.startswith("*"):
            words.append("[^/]*")
        elif piece == "?":
            words.append("[^/]")
        elif piece.startswith("[") and len(piece) > 1:
            words.append("[" + piece[1:-1].replace("!", "^", 1) + "]")
        else:
            words.append(re.escape(piece))
    return "".join(words)
