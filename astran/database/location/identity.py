"""Whether the work folder is the one that it was: a store that was there must be there.

A file system that is not mounted leaves an empty folder behind. A new database in it would take a
mail and be gone with the next mount. So the store has a name, which stands in three places: in a
marker in the work folder, in the database, and in a memory outside of the work folder, beside the
site configuration (in ~/.local/state/astran where nothing can be written there). What the memory
knows and the work folder does not hold is an error. A work folder that nobody remembers is made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from astran.base.errors import StoreError
from astran.base.files import write_atomic
from astran.config.site import SiteConfig

MARKER = ".astran-store.json"
STATE = Path("~/.local/state/astran")
"""Where the memory is if nothing can be written beside the site configuration."""
ANEW = "To begin with a new, empty store there, run `astran db init`."
NO_DATABASE = f"Mount its file system, or restore it from a backup. {ANEW}"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class StoreMarker:
    """What the work folder says of its store."""

    name: str
    complete: bool
    """False while the store is being made: the next start goes on with that."""


def read_marker(workdir: Path) -> StoreMarker | None:
    """The marker of a work folder, None where there is none.

    Raises
    ------
    StoreError : it cannot be read
    """
    path = workdir / MARKER
    try:
        found = json.loads(path.read_text())
        return StoreMarker(str(found["name"]), bool(found["complete"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}.",
            "Check that the file system of the work folder is mounted and readable.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} is damaged.", "Restore it; or run `astran db init`, which writes it anew."
        ) from error


def check_store(site: SiteConfig) -> None:
    """Nothing, if the store that is remembered is there or none is. Light: no database is opened.

    Raises
    ------
    StoreError : the store was there and is not
    """
    names = remembered(site)
    if not names:
        return
    marker = read_marker(site.workdir)
    if marker is None:
        raise StoreError(
            f"The work folder {site.workdir} is not the one that was used before: the store of "
            "this site is not in it.",
            "Mount its file system; if it was moved, set `workdir` in the site configuration to "
            f"its new place. {ANEW}",
        )
    if marker.name not in names:
        raise StoreError(
            f"The work folder {site.workdir} holds the store of another site.",
            "Mount the file system that was there before; to go on with what is there now, run "
            "`astran db init`.",
        )
    file = plain_sqlite(site)
    if marker.complete and file is not None and not file.is_file():
        raise StoreError(f"The database {file} is not there any more.", NO_DATABASE)


def plain_sqlite(site: SiteConfig) -> Path | None:
    """The file of the database where that is plain to see without SQLAlchemy."""
    url = site.database_url
    plain = url.startswith(_SQLITE) and "?" not in url and ":memory:" not in url
    return Path(url.removeprefix(_SQLITE)) if plain else None


# ---- the marker ----------------------------------------------------------------------------------


def new_name() -> str:
    """A name that no other store has."""
    return os.urandom(16).hex()


def _text(marker: StoreMarker) -> str:
    about = "This is a work folder of ASTRAN. Move this file along with it, keep it in backups."
    value = {"about": about, "name": marker.name, "complete": marker.complete}
    return json.dumps(value, indent=2) + "\n"


def write_marker(workdir: Path, marker: StoreMarker) -> None:
    """Write the marker of a work folder (StoreError where it cannot be written)."""
    with _writing(workdir):
        write_atomic(workdir / MARKER, _text(marker))


@contextmanager
def _writing(workdir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The work folder {workdir} cannot be written: {error.strerror}.",
            "Check its owner and permissions, or `workdir` in the site configuration.",
        ) from error


def lay_marker(workdir: Path, marker: StoreMarker) -> StoreMarker:
    """Mark the folder; of several processes the first one does."""
    part = workdir / f"{MARKER}.{os.getpid()}.new"
    with _writing(workdir):
        write_atomic(part, _text(marker))
    try:
        os.link(part, workdir / MARKER)
    except FileExistsError:
        pass
    except OSError:
        # a file system without links
        write_marker(workdir, marker)
    finally:
        part.unlink(missing_ok=True)
    return read_marker(workdir) or marker


# ---- the memory ----------------------------------------------------------------------------------


def memory_files(site: SiteConfig) -> tuple[Path, ...]:
    """Files that may remember the store of a site, the preferred one first; none for a site that
    was not read from a file."""
    if site.file is None:
        return ()
    digest = hashlib.sha256(str(site.file).encode()).hexdigest()[:16]
    beside = site.file.with_name(f".{site.file.name}.store")
    return beside, STATE.expanduser() / f"{digest}.store"


def remembered(site: SiteConfig) -> tuple[str, ...]:
    """Names of the stores that were in the work folder of this site.

    Raises
    ------
    StoreError : a memory is there and cannot be read
    """
    key = str(site.workdir)
    for number, path in enumerate(memory_files(site)):
        try:
            if names := _stores(path).get(key):
                return tuple(names)
        except StoreError:
            # a home folder may be out of reach for cron; what stands beside the site is not
            if number == 0:
                raise
    return ()


def remember(site: SiteConfig, name: str) -> bool:
    """Remember that this store is in the work folder; False where nothing can be written."""
    for path in memory_files(site):
        try:
            stores = _stores(path)
            key = str(site.workdir)
            stores[key] = [*stores.get(key, []), name]
            about = "Written by ASTRAN: the stores that are to be found in these work folders."
            write_atomic(path, json.dumps({"about": about, "stores": stores}, indent=2) + "\n")
            # whoever may read the site configuration may read this
            path.chmod(0o644)
        except (OSError, StoreError):
            continue
        return True
    return False


def _stores(path: Path) -> dict[str, list[str]]:
    """Names by work folder; empty where there is no memory."""
    try:
        found = json.loads(path.read_text())["stores"]
        return {str(key): [str(name) for name in names] for key, names in found.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}."
        raise StoreError(text, "Make it readable.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged.", "Check that the work folder is mounted, then delete this file."
        ) from error
