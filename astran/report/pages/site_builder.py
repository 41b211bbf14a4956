"""The whole site: what has changed is made anew, what is gone is removed, the rest stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from astran.base.failures import attempt_part, left_out
from astran.report.pages.analysis_page import write_analysis
from astran.report.pages.entry import PageEntry, make_entry
from astran.report.pages.list_pages import list_pages
from astran.report.pages.page_data import Health, PageData, PageSignature
from astran.report.pages.publish import Publisher
from astran.report.pages.templates import ASSETS, asset_path, render_page, template_edition
from astran.report.pages.tick_script import TICK_SCRIPT, tick_script

_FOLDERS = ("analyses", "nights", "targets")


@dataclass(frozen=True, slots=True)
class PagesUpdate:
    """What a build did."""

    analyses: int
    """Analyses on the site."""
    made: int
    """Of these, pages made anew."""
    written: int
    """Files that were new or different."""
    removed: int
    failed: tuple[str, ...] = ()
    """Pages that could not be made, each with the reason."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the last build remembered of an analysis."""

    mark: str
    entry: PageEntry
    files: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"mark": self.mark, "entry": self.entry.to_json(), "files": list(self.files)}


def _of_the_disk(error: Exception) -> bool:
    """Whether no other page could be written either."""
    return isinstance(error, OSError)


def build_site(
    output: Path,
    site: str,
    stamps: Sequence[PageSignature],
    load: Callable[[int], PageData | None],
    health: Health,
    *,
    anew: bool = False,
    fatal: Callable[[Exception], bool] = _of_the_disk,
) -> PagesUpdate:
    """Bring the site in `output` up to date.

    Parameters
    ----------
    site : name of the site, shown on every page
    stamps : all analyses that belong on the site
    load : everything about one of them; asked only for those whose mark is new. None: it is gone
    anew : make every page again
    fatal : errors that no other page would escape; any other costs the page of its analysis alone
    """
    publisher = Publisher(output)
    # the manifest is the only thing that says what may be removed: it is read in any case
    old = publisher.read_manifest()
    fresh = not anew and old.get("edition") == template_edition() and old.get("site") == site
    before = _remembered(old)
    known: dict[int, _Known] = {}
    made = 0
    failed: list[str] = []
    for stamp in sorted(stamps, key=lambda stamp: stamp.id, reverse=True):
        last = before.get(stamp.id)
        if fresh and last and last.mark == stamp.mark and publisher.holds(last.entry.href):
            known[stamp.id] = last
            continue
        reasons: list[str] = []
        written = attempt_part(
            partial(_write_one, publisher, site, stamp, load), reasons.append, fatal
        )
        if written is not None:
            known[stamp.id] = written
            made += 1
        elif reasons:
            failed.append(left_out(f"The page of analysis {stamp.id}", reasons[0]))
            if last is not None:  # what was there stays, and is made anew the next time
                known[stamp.id] = replace(last, mark="")
    for name in ASSETS:
        publisher.write(f"assets/{name}", asset_path(name))
    publisher.write(TICK_SCRIPT, tick_script(health.last_tick))
    entries = [known[key].entry for key in sorted(known, reverse=True)]
    pages = _write_lists(publisher, site, entries, old.get("pages") if fresh else None)
    live = [entry for entry in entries if entry.live]
    values = {"site": site, "health": health, "live": live}
    publisher.write("service.html", render_page("service", "service.html", values))
    wanted = {path for one in known.values() for path in one.files} | set(pages)
    wanted |= {f"assets/{name}" for name in ASSETS} | {"service.html", TICK_SCRIPT}
    for path in sorted(_files(old) - wanted):
        publisher.remove(path)
    publisher.sweep(_FOLDERS, wanted)
    publisher.write_manifest(
        {
            "edition": template_edition(),
            "site": site,
            "analyses": {str(key): one.to_json() for key, one in known.items()},
            "pages": pages,
            "files": sorted(wanted),
        }
    )
    return PagesUpdate(len(known), made, publisher.written, publisher.removed, tuple(failed))


def _write_one(
    publisher: Publisher, site: str, stamp: PageSignature, load: Callable[[int], PageData | None]
) -> _Known | None:
    """Write the page of one analysis; none where it is gone."""
    sheet = load(stamp.id)
    if sheet is None:
        return None
    files = write_analysis(publisher, site, sheet)
    return _Known(stamp.mark, make_entry(stamp.id, sheet.report), tuple(files))


def _write_lists(
    publisher: Publisher, site: str, entries: Sequence[PageEntry], before: Any
) -> dict[str, str]:
    """Lists by path, each with a digest of what it was made from."""
    last = before if isinstance(before, dict) else {}
    texts = {entry.id: json.dumps(entry.to_json()) for entry in entries}
    pages = {}
    for page in list_pages(site, entries):
        pages[page.path] = digest = page.digest(texts)
        if last.get(page.path) != digest or not publisher.holds(page.path):
            publisher.write(page.path, page.make())
    return pages


def _remembered(manifest: dict[str, Any]) -> dict[int, _Known]:
    found = {}
    for key, value in _mapping(manifest.get("analyses")).items():
        try:
            found[int(key)] = _Known(
                value["mark"], PageEntry(**value["entry"]), tuple(map(str, value["files"]))
            )
        except (TypeError, KeyError, ValueError):
            continue  # of another version: made anew
    return found


def _files(manifest: dict[str, Any]) -> set[str]:
    files = manifest.get("files")
    return {str(path) for path in files} if isinstance(files, list) else set()


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
