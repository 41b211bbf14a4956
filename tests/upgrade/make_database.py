"""Make the databases that later versions must be able to upgrade.

    make upgrade-data        (PYTHONPATH=tests python -m upgrade.make_database)

Plays the scenario on stand-ins, once with SQLite and once with a PostgreSQL of its own, in the
folder /srv/astran, which must not be there and is removed afterwards. Writes
tests/upgrade/data/<version of ASTRAN>: a SQLite file, a PostgreSQL dump, and the scripts, records
and products that belong to them.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from services.postgres import Postgres
from upgrade.copies import DATA, Content, content, keep_files, keep_postgres, keep_sqlite
from upgrade.scenario import BEGIN, play
from upgrade.upgrade_house import ROOT, House

import astran

WANTED = {
    ("analysis", "state"): "received waiting running reporting done partial failed cancelled "
    "expired",
    ("task", "state"): "planned submitting submitted running checking done reused failed cancelled",
    ("task", "wish"): "hold",
    ("message", "verdict"): "own bounce machine unauthenticated stranger take",
    ("outgoing_mail", "state"): "pending sending sent dead",
    ("submission", "state"): "intent submitted ended",
    ("standing_order", "state"): "active",
    ("chore", "name"): "orders digest",
}
"""Words that must be there, or the copy would not show what it is kept for."""


def main() -> int:
    """Make both copies."""
    folder = DATA / astran.__version__
    folder.mkdir(parents=True, exist_ok=True)
    with installation() as house:
        keep_sqlite(ROOT / "astran.sqlite", folder)
        keep_files(ROOT, folder)
        first = checked(content(house.site.database_url))
    with Postgres() as server:
        name = server.new_database()
        with installation(server.url(name)):
            keep_postgres(server.dsn(name), folder)
            second = checked(content(server.url(name)))
    if first.words != second.words:
        differing = [place for place, words in first.words.items() if second.words[place] != words]
        print(f"SQLite and PostgreSQL do not hold the same: {differing}. Look for chance.")
        return 1
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:9d} bytes  {path}")
    return 0


@contextmanager
def installation(database: str = "") -> Iterator[House]:
    """One that has come to the end of the scenario."""
    if ROOT.exists():
        raise SystemExit(f"{ROOT} is there already: nothing was touched. Run this elsewhere.")
    ROOT.mkdir(parents=True)
    try:
        house = House(ROOT, BEGIN, database)
        play(house)
        yield house
    finally:
        shutil.rmtree(ROOT)


def checked(made: Content) -> Content:
    """The content, if all that it is kept for is there."""
    for place, words in WANTED.items():
        absent = set(words.split()) - made.words[place].keys()
        if absent:
            raise SystemExit(f"{'.'.join(place)} lacks {', '.join(sorted(absent))}")
    return made


if __name__ == "__main__":
    sys.exit(main())
