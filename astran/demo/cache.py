"""A cache of folders that take long to make: each is complete or absent, and made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from astran.base.clock import Clock
from astran.base.files import try_lock

CACHE_VARIABLE = "ASTRAN_CACHE"
_KEEP = timedelta(days=60)
"""What was not used for so long goes when something new is made."""


def cache_root() -> Path:
    """$ASTRAN_CACHE, else ~/.cache/astran."""
    given = os.environ.get(CACHE_VARIABLE, "")
    return Path(given).expanduser() if given else Path("~/.cache/astran").expanduser()


def cached(
    root: Path,
    key: str,
    make: Callable[[Path], None],
    clock: Clock,
    waiting: Callable[[], None] = lambda: None,
) -> tuple[Path, bool]:
    """The folder `root/key`, made now by `make(folder)` unless it is there.

    It is made under another name and moved into place when complete, so it is whole or absent
    however this ends. Of two who want the same folder at once, one makes it and the other waits;
    `waiting` is called once in that case.

    Returns
    -------
    the folder, and whether it had been there already
    """
    final = root / key
    told = False
    while not final.is_dir():
        with try_lock(root / f"{key}.lock") as mine:
            if mine and not final.is_dir():
                _make(final, make)
                _forget_unused(root, clock)
                return final, False
        if not told:
            waiting()
            told = True
        clock.sleep(0.5)
    now = clock.now().timestamp()
    os.utime(final, (now, now))
    return final, True


def _forget_unused(root: Path, clock: Clock) -> None:
    """Remove what nobody has asked for in a long time: it is of older versions."""
    oldest = clock.now().timestamp() - _KEEP.total_seconds()
    for folder in root.iterdir():
        # under its lock, so that nobody begins to make it meanwhile
        if folder.is_dir() and folder.stat().st_mtime < oldest:
            with try_lock(root / f"{folder.name.strip('.').removesuffix('.part')}.lock") as mine:
                if mine:
                    shutil.rmtree(folder)


def _make(final: Path, make: Callable[[Path], None]) -> None:
    part = final.with_name(f".{final.name}.part")
    # the lock is ours: whatever lies here was left by one that died
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    try:
        make(part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    part.replace(final)
