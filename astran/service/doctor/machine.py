"""Examinations of this machine: work folder, disk, database, interpreter, launcher."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from astran.base.errors import ProcessError
from astran.base.files import packaged_path, try_lock
from astran.base.findings import Finding, fail, ok, warn
from astran.base.permissions import UMASK, current_umask, mode_of
from astran.base.process import run_command
from astran.base.text import duration
from astran.database.connection import HEAD, Database
from astran.database.location import identity
from astran.database.location.file_modes import too_open_files
from astran.database.location.identity import STATE, memory_files
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.operator.launcher_watch import state_path

LEAST_FREE = 2 * 2**30
"""Below this no night fits [bytes]."""
GOOD_FREE = 50 * 2**30
"""A few nights of DL2 and DL3 [bytes]."""
LATE = timedelta(minutes=5)
"""A launcher that ran last so long ago does not run every minute."""
NETWORK = frozenset(
    (
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.beegfs",
        "fuse.ceph",
        "fuse.cvmfs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "panfs",
        "smb3",
        "smbfs",
    )
)
"""File systems on which the locks that SQLite relies on cannot be trusted."""
# heavy modules are imported in a process of their own, as tasks do
_IMPORTS = """\
import importlib, json
found = {}
for name in ("gammapy", "matplotlib", "tables", "jinja2", "alembic"):
    try:
        found[name] = [True, str(getattr(importlib.import_module(name), "__version__", ""))]
    except (ImportError, AttributeError) as error:
        found[name] = [False, f"{type(error).__name__}: {error}"]
print(json.dumps(found))
"""


def probe_workdir(patient: DoctorContext) -> Iterator[Finding]:
    """Is it the one that was used before? Can files be made and locked there, in the folder of
    what is shared, and in the store?"""
    site = patient.site
    identity.check_store(site)
    yield _usable("workdir", site.workdir)
    if site.shared is not None:
        yield _usable("shared", site.shared)
    if site.products is not None:
        yield _usable("products", site.products)
    places = existing(site.workdir), existing(site.products_dir)
    if len({place.stat().st_dev for place in places}) > 1:
        text = f"The store {site.products_dir} lies on another disk than {site.workdir}."
        cure = "Products are copied there once. On the disk of `workdir` they would need no copy."
        yield warn("products", text, cure)


def modes(patient: DoctorContext) -> Iterator[Finding]:
    """Can others read the mails that are kept, or will they read what is made from now on?"""
    site = patient.site
    wide = too_open_files(site)
    for path, allowed in wide.items():
        yield warn(
            "modes",
            f"{path} can be used by more people than it should (mode {mode_of(path) or 0:04o}).",
            f"The next tick narrows it if the user who runs ASTRAN owns it; or: chmod "
            f"{allowed:o} {path}",
        )
    mask = current_umask()
    if UMASK & ~mask:
        yield warn(
            "modes",
            f"The umask {mask:04o} would let others read what is made.",
            f"Use ASTRAN's own commands, which set {UMASK:04o}, or run: umask {UMASK:04o}",
        )
    elif not wide:
        yield ok("modes", f"Others can read neither mails nor products (umask {mask:04o}).")
    if site.file is not None and not any(map(_writable, memory_files(site))):
        yield warn(
            "modes",
            f"Nothing outside of {site.workdir} can remember that a store is in it.",
            f"Let the user who runs ASTRAN write to {site.file.parent} or {STATE}: else a file "
            "system that is not mounted would be taken for a new site.",
        )


def _writable(memory: Path) -> bool:
    return os.access(existing(memory), os.W_OK) or memory.exists()


def _usable(part: str, folder: Path) -> Finding:
    place = existing(folder)
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".astran-doctor-", dir=place) as probe,
            try_lock(Path(probe, "lock")) as free,
        ):
            locks = free
    except OSError as error:
        what = "written or locked" if place == folder else f"made in {place}"
        return fail(
            part,
            f"{folder} cannot be {what}: {error.strerror}.",
            f"Check owner, permissions and file system of {place}, or correct `{part}`.",
        )
    if not locks:
        return fail(part, f"Locks do not work in {place}.", "Choose a file system that has flock.")
    if place != folder:
        return ok(part, f"{folder} will be made at first use.")
    return ok(part, f"{folder} can be written and locked.")


def probe_disk(patient: DoctorContext) -> Iterator[Finding]:
    """Is there room for a night?"""
    folder = existing(patient.site.workdir)
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.0f} GiB are free in {folder}."
    cure = "Make room, or move `workdir` to a larger disk."
    if free < LEAST_FREE:
        yield fail("disk", text, cure)
    elif free < GOOD_FREE:
        yield warn("disk", text, cure)
    else:
        yield ok("disk", text)


def probe_database(patient: DoctorContext) -> Iterator[Finding]:
    """Does it open, has it the right schema, can it be written?"""
    # sqlalchemy's errors are caught here alone: it is imported where it is needed
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    identity.check_store(patient.site)
    try:
        url = make_url(patient.site.database_url)
        if url.get_backend_name() == "sqlite" and url.database:
            file = Path(url.database)
            yield from _on_network(file)
            if not file.exists():
                yield ok("database", f"{file} will be made at first use.")
                return
        shown = url.render_as_string()
        store = Database(patient.site.database_url)
        try:
            version = store.version()
            if version is None:
                yield ok("database", f"{shown} opens and is empty; it is filled at first use.")
                return
            if version != HEAD:
                yield fail(
                    "database",
                    f"{shown} has schema version {version}, this ASTRAN needs {HEAD}.",
                    "Run `astran db upgrade` (or install the ASTRAN version that made it).",
                )
                return
            with store.begin() as db:
                # every value stays; the right to write is what counts
                db.exec_driver_sql("update alembic_version set version_num = version_num")
        finally:
            store.close()
    except ImportError as error:
        yield fail(
            "database",
            f"The driver of this database is not installed: {error.name}.",
            "Install it: pip install 'astran[postgres]'",
        )
    except ArgumentError as error:
        yield fail("database", f"`database` is no database URL: {error}.", "Correct it.")
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        yield fail(
            "database",
            f"The database cannot be used: {said}.",
            "Check `database` in the site configuration, the server, and the rights of its user.",
        )
    else:
        yield ok("database", f"{shown} opens and can be written (schema {version}).")


def _on_network(file: Path) -> Iterator[Finding]:
    kind = file_system(file)
    if kind in NETWORK:
        yield warn(
            "database",
            f"SQLite lies on a network file system ({kind}): {file}.",
            "Set `database` to a file on a local disk (sqlite:////path/to/file) or to PostgreSQL.",
        )


def probe_python(patient: DoctorContext) -> Iterator[Finding]:
    """Can tasks import what they need, and are the templates here?"""
    try:
        answer = run_command([patient.python, "-c", _IMPORTS], timeout=150).stdout
    except ProcessError as error:
        yield fail("python", f"{patient.python}: {error.message}", "Install ASTRAN anew.")
        return
    found: dict[str, tuple[bool, str]] = json.loads(answer.splitlines()[-1])
    bad = [f"{name} ({said})" for name, (good, said) in found.items() if not good]
    if bad:
        yield fail(
            "python",
            f"{patient.python} cannot import {', '.join(bad)}.",
            "Install ASTRAN anew: pip install --upgrade --force-reinstall astran",
        )
    else:
        versions = ", ".join(f"{name} {said}" for name, (_, said) in found.items())
        yield ok("python", f"{patient.python}: {versions}")
    if not (packaged_path("templates") / "jobs" / "task.sh.j2").is_file():
        yield fail("python", "The templates are not installed.", "Install ASTRAN anew.")


def probe_launcher(patient: DoctorContext) -> Iterator[Finding]:
    """Does cron run astran-launcher, and did it end well?"""
    if patient.site.mail is None:
        return
    file = patient.site.workdir / "heartbeat.json"
    program = Path(patient.python).with_name("astran-launcher")
    line = f"* * * * * ASTRAN_SITE=<site configuration> {program} >> <log file> 2>&1"
    cure = f"Add it to the crontab (`crontab -e`; crontab.example has the whole story): {line}"
    try:
        beat = json.loads(file.read_text())
        age = patient.clock.now() - datetime.fromisoformat(beat["at"])
        faults = [str(fault) for fault in beat["faults"]]
    except FileNotFoundError:
        yield warn("launcher", "astran-launcher has not run yet.", cure)
        return
    except (ValueError, KeyError, TypeError):
        yield warn("launcher", f"{file} cannot be read.", "Delete it; the next tick writes it.")
        return
    if age > LATE:
        yield warn("launcher", f"astran-launcher ran {duration(age.total_seconds())} ago.", cure)
    elif faults:
        yield warn(
            "launcher",
            f"The last tick met {len(faults)} faults; the first: {faults[0]}",
            "Its log says more.",
        )
    else:
        yield ok("launcher", f"astran-launcher ran {duration(age.total_seconds())} ago.")
    yield _watched(patient)


def _watched(patient: DoctorContext) -> Finding:
    """Whether somebody would hear of it if the launcher stopped."""
    try:
        looked = datetime.fromtimestamp(state_path(patient.site).stat().st_mtime, UTC)
        age = patient.clock.now() - looked
    except OSError:
        age = None
    if age is not None and age <= 3 * LATE:
        ago = duration(max(age.total_seconds(), 0.0))
        return ok("launcher watch", f"astran watch-launcher looked {ago} ago.")
    return warn(
        "launcher watch",
        "Nobody would hear of it if astran-launcher stopped: astran watch-launcher does not run "
        "for this user on this machine.",
        "Add the second line of crontab.example to a crontab.",
    )


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Kind of the file system on which a path lies; empty where the system does not tell.

    Parameters
    ----------
    mounts : table of mounts in the format of fstab(5), blanks written as \\040
    """
    place = existing(path).resolve()
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        words = line.split()
        point = words[1].replace("\\040", " ")
        # of two mounts at one point the later one counts
        if place.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), words[2]
    return kind
