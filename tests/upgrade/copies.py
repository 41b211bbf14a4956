"""Databases of installations with work under way, kept as files, one folder for each version."""

from __future__ import annotations

import gzip
import io
import sqlite3
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from services.postgres import Postgres, binaries
from sqlalchemy import create_engine, inspect, text
from upgrade.upgrade_house import ROOT

import astran

DATA = Path(__file__).parent / "data"
SQLITE, POSTGRES, FILES = "astran.sqlite.gz", "postgres.sql.gz", "files.tar.gz"
FOLDERS = ("work", "cluster")
"""Below the root of an installation: what belongs to its database."""
_TELLING = ("state", "verdict", "outcome", "kind", "name", "wish")
"""Columns by whose words rows are counted."""
HERE, PACKAGE = str(Path(astran.__file__).parent), "/opt/astran/lib/astran"
"""Where ASTRAN is when a copy is made, and what stands for that in the copy."""
PLAYED = 1_702_900_000
"""After all that was played [s since 1970]."""
_CHANCE = ("\\restrict", "\\unrestrict", "-- Dumped", "SET transaction_timeout")
"""Lines of pg_dump that differ each time, or that an older server does not know."""


@dataclass(frozen=True)
class Content:
    """What a database holds, as far as no upgrade may change it."""

    ids: dict[str, frozenset[object]]
    """Primary keys of each table."""
    words: dict[tuple[str, str], Counter[str]]
    """How often each word stands in the telling columns, by table and column."""


def content(url: str) -> Content:
    """Read it, whatever the version of the schema."""
    engine = create_engine(url)
    ids, words = {}, {}
    with engine.connect() as db:
        for table in inspect(db).get_table_names():
            columns = {column["name"] for column in inspect(db).get_columns(table)}
            if "id" not in columns:
                continue
            ids[table] = frozenset(db.execute(text(f'select id from "{table}"')).scalars())
            for column in columns & set(_TELLING):
                found = db.execute(text(f'select "{column}" from "{table}"')).scalars()
                words[table, column] = Counter(map(str, found))
    engine.dispose()
    return Content(ids, words)


# ---- writing -------------------------------------------------------------------------------------


def keep_sqlite(file: Path, folder: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        _replace(db, HERE, PACKAGE)
        db.commit()
        db.execute("vacuum")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SQLITE).write_bytes(gzip.compress(file.read_bytes(), mtime=0))


def keep_postgres(dsn: str, folder: Path) -> None:
    programs = binaries()
    assert programs is not None
    argv = [programs / "pg_dump", "--no-owner", "--no-privileges", f"--dbname={dsn}"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True).stdout
    lines = [line for line in said.splitlines() if not line.startswith(_CHANCE)]
    script = "\n".join(lines).replace(HERE, PACKAGE) + "\n"
    (folder / POSTGRES).write_bytes(gzip.compress(script.encode(), mtime=0))


def keep_files(root: Path, folder: Path) -> None:
    """Scripts, records and stand-in products."""
    _replace_in_files(root, HERE, PACKAGE)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in (path for name in FOLDERS for path in sorted((root / name).rglob("*"))):
            if path.suffix not in (".sqlite", ".lock") and path.parent.name != "cache":
                tar.add(path, str(path.relative_to(root)), recursive=False, filter=_nobody)
    (folder / FILES).write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def _nobody(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    # products have times of the played clock, which the database knows; all else was written now
    info.mtime = min(int(info.mtime), PLAYED)
    return info


# ---- reading -------------------------------------------------------------------------------------


def unpack_files(folder: Path, root: Path) -> None:
    """Put the files below another root, which stands in them in place of the old one."""
    with tarfile.open(folder / FILES) as tar:
        tar.extractall(root, filter=_moved(root))
    _replace_in_files(root, str(ROOT), str(root))


def _replace_in_files(root: Path, old: str, new: str) -> None:
    for path in (path for name in FOLDERS for path in (root / name).rglob("*")):
        if path.is_file() and not path.is_symlink() and old.encode() in path.read_bytes():
            path.write_text(path.read_text().replace(old, new))


def _moved(root: Path) -> Callable[[tarfile.TarInfo, str], tarfile.TarInfo]:
    def moved(info: tarfile.TarInfo, where: str) -> tarfile.TarInfo:
        del where
        if info.issym():
            info = info.replace(linkname=info.linkname.replace(str(ROOT), str(root)), deep=False)
        return info

    return moved


def unpack_sqlite(folder: Path, root: Path) -> str:
    """URL of a copy of the SQLite file, with all paths below the new root."""
    file = root / "astran.sqlite"
    file.write_bytes(gzip.decompress((folder / SQLITE).read_bytes()))
    with closing(sqlite3.connect(file)) as db:
        _replace(db, str(ROOT), str(root))
        db.commit()
    return f"sqlite:///{file}"


def _replace(db: sqlite3.Connection, old: str, new: str) -> None:
    """Put one text in place of another wherever it stands."""
    for (table,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
        for _, column, *_ in db.execute(f'pragma table_info("{table}")').fetchall():
            db.execute(
                f'update "{table}" set "{column}" = replace("{column}", ?, ?) '
                f"where typeof(\"{column}\") = 'text'",
                (old, new),
            )


def unpack_postgres(folder: Path, root: Path, server: Postgres) -> str:
    """URL of a new database made from the dump, with all paths below the new root."""
    name = server.new_database()
    programs = binaries()
    assert programs is not None
    script = gzip.decompress((folder / POSTGRES).read_bytes()).decode()
    script = script.replace(str(ROOT), str(root))
    argv = [programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", server.dsn(name)]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return server.url(name)
