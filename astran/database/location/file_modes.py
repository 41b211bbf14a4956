"""Modes of the work folder and of the database: mails in there are nobody else's business."""

from __future__ import annotations

from pathlib import Path

from astran.base.permissions import PRIVATE, excess_mode, restrict_mode
from astran.config.site import SiteConfig
from astran.database.location.identity import plain_sqlite, read_marker

_SETGID = 0o2000
_BESIDE = ("", "-wal", "-shm", "-journal")
"""SQLite gives the files that it makes beside a database the mode of the database."""


def allowed_modes(site: SiteConfig) -> dict[Path, int]:
    """The most that each of ASTRAN's own places may allow."""
    places = {site.workdir: _of_workdir(site)}
    file = plain_sqlite(site)
    if file is not None:
        places |= {file.with_name(file.name + end): PRIVATE for end in _BESIDE}
    return places


def _of_workdir(site: SiteConfig) -> int:
    mode = 0o750
    output = site.pages.output
    if output is not None and output.is_relative_to(site.workdir):
        mode |= 0o001  # a web server passes through to the pages
    try:
        if site.workdir.stat().st_mode & _SETGID:
            mode |= 0o020  # a folder in which a group works together
    except OSError:
        pass
    return mode


def too_open_files(site: SiteConfig) -> dict[Path, int]:
    """Places that allow more than they should, and what they should allow."""
    allowed = allowed_modes(site)
    return {path: mode for path, mode in allowed.items() if excess_mode(path, mode)}


def restrict_modes(site: SiteConfig) -> list[str]:
    """Take away what goes beyond it, of what is ASTRAN's and this user's; what was done, in
    words."""
    if read_marker(site.workdir) is None:
        return []
    found = too_open_files(site).items()
    return [
        f"{path}: mode narrowed to {mode:04o}" for path, mode in found if restrict_mode(path, mode)
    ]
