"""Opening the store of a site: the one that was there before, or a new one where none was."""

from __future__ import annotations

from sqlalchemy import make_url

from astran.base.errors import StoreError
from astran.config.site import SiteConfig
from astran.database.connection import Database
from astran.database.location.identity import (
    StoreMarker,
    check_store,
    lay_marker,
    new_name,
    read_marker,
    remember,
    remembered,
    write_marker,
)


def open_store(site: SiteConfig) -> Database:
    """The store of a site: opened, and made where there never was one.

    A crash on the way leaves a marker that is not complete; the next start goes on from there.

    Raises
    ------
    StoreError : a store that was there and is not; a database that belongs to another work folder
    """
    check_store(site)
    marker = read_marker(site.workdir) or _begin(site)
    database = Database.open(site.database_url, make=not marker.complete)
    if database.identity(marker.name) != marker.name:
        database.close()
        raise _another(site)
    _complete(site, marker.name)
    return database


def begin_new_store(site: SiteConfig) -> Database:
    """Take what is in the work folder for the store of this site from now on, and make what is not
    there; on the user's explicit word."""
    try:
        marker = read_marker(site.workdir)
    except StoreError:
        marker = None
    database = Database.open(site.database_url)
    name = database.identity() or (marker.name if marker else "") or new_name()
    database.identity(name)
    write_marker(site.workdir, StoreMarker(name, complete=False))
    _complete(site, name)
    return database


def _begin(site: SiteConfig) -> StoreMarker:
    """Mark a work folder that has no marker, unless its database belongs to another folder."""
    known = Database.existing(site.database_url)
    name = ""
    if known is not None:
        name = known.identity()
        known.close()
    # another process may have marked it in the meantime
    if marker := read_marker(site.workdir):
        return marker
    if name:
        raise _another(site)
    return lay_marker(site.workdir, StoreMarker(new_name(), complete=False))


def _complete(site: SiteConfig, name: str) -> None:
    marker = StoreMarker(name, complete=True)
    if read_marker(site.workdir) != marker:
        write_marker(site.workdir, marker)
    if name not in remembered(site):
        remember(site, name)


def _another(site: SiteConfig) -> StoreError:
    shown = make_url(site.database_url).render_as_string()
    return StoreError(
        f"The database {shown} does not belong to the work folder {site.workdir}: its store is in "
        "another one.",
        "Mount the file system of the work folder; if it was moved, set `workdir` in the site "
        "configuration to its new place. To go on with this folder and this database, run "
        "`astran db init`.",
    )
