"""The pages with lists: front page, nights, targets, analyses by year."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from astran.report.pages.entry import PageEntry
from astran.report.pages.light_curve_chart import SIGNIFICANT, Chart, Measurement, make_chart
from astran.report.pages.templates import render_page

_NEWEST = 25
"""Analyses on the front page."""
_SIZES = ((860, 330), (360, 270))
"""Drawings for wide and narrow screens [px]."""


@dataclass(frozen=True)
class ListPage:
    """A page made from entries alone: it need not be made anew while these stay the same."""

    path: str
    entries: Sequence[PageEntry]
    make: Callable[[], str]
    about: tuple[Any, ...] = ()
    """What else goes into it."""

    def digest(self, texts: Mapping[int, str]) -> str:
        """Of everything that the page depends on; `texts` holds each entry as text, by id."""
        digest = hashlib.sha256(json.dumps(self.about).encode())
        for entry in self.entries:
            digest.update(texts[entry.id].encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class EntryGroup:
    """Entries that share a night, a target or a year."""

    name: str
    page: str
    entries: tuple[PageEntry, ...]

    @property
    def newest(self) -> PageEntry:
        return self.entries[0]

    @property
    def best(self) -> PageEntry | None:
        """The most significant one."""
        known = [e for e in self.entries if e.significance is not None]
        return max(known, key=lambda e: e.significance or 0.0, default=None)

    @property
    def per_target(self) -> tuple[PageEntry, ...]:
        """The newest of each target."""
        newest: dict[str, PageEntry] = {}
        for entry in self.entries:
            newest.setdefault(entry.target_page, entry)
        return tuple(newest.values())

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.target for entry in self.entries))

    @property
    def nights(self) -> int:
        return len({entry.night for entry in self.entries})


@dataclass(frozen=True)
class Curve:
    """A light curve: the same values as drawings, as a table and as a file."""

    title: str
    axis: str
    values: tuple[Measurement, ...]
    entries: tuple[PageEntry, ...]
    charts: tuple[Chart, ...] = field(default=())

    @property
    def words(self) -> str:
        """What the drawing shows, for those who do not see it."""
        low, high = (f(v.value for v in self.values) for f in (min, max))
        nights = f"{self.values[0].night} to {self.values[-1].night}"
        number = len(self.values)
        many = f"{number} nights from {nights}" if number > 1 else f"one night, {nights[:10]}"
        spread = f"between {low:.3g} and {high:.3g}" if number > 1 else f"{low:.3g}"
        return f"{self.title}: {many}, values {spread}. The table below holds the numbers."


def list_pages(site: str, entries: Sequence[PageEntry]) -> Iterator[ListPage]:
    """All list pages; `entries` come with the newest first."""
    by_night = sorted(entries, key=lambda e: (e.night, e.id), reverse=True)
    nights = _groups(by_night, lambda e: (e.night, f"nights/{e.night.replace('-', '')}.html"))
    targets = sorted(
        _groups(by_night, lambda e: (e.target_page, f"targets/{e.target_page}.html")),
        key=lambda group: group.newest.target.casefold(),
    )
    years = _groups(by_night, lambda e: (e.night[:4], f"analyses/{e.night[:4]}.html"))

    def page(path: str, template: str, used: Sequence[PageEntry], **values: Any) -> ListPage:
        return ListPage(
            path, used, lambda: render_page(template, path, {"site": site, **values}), (site,)
        )

    live = tuple(e for e in entries if e.live)
    yield page(
        "index.html",
        "front",
        entries,
        night=nights[0] if nights else None,
        live=live,
        newest=entries[:_NEWEST],
        total=len(entries),
        nights=nights[:10],
        number_of_nights=len(nights),
        targets=targets,
    )
    yield page("nights/index.html", "nights", entries, groups=nights)
    yield page("targets/index.html", "targets", entries, groups=targets)
    yield page("analyses/index.html", "analyses", entries, groups=years, newest=entries[:100])
    for group in years:
        yield page(group.page, "year", group.entries, group=group)
    for group in nights:
        yield page(group.page, "night", group.entries, group=group)
    for group in targets:
        yield _target_page(site, group)
        yield ListPage(
            group.page.replace(".html", ".csv"), group.entries, _csv_maker(group.entries)
        )


def _target_page(site: str, group: EntryGroup) -> ListPage:
    def make() -> str:
        values = {"site": site, "group": group, "curves": light_curves(group.entries)}
        return render_page("target", group.page, values)

    return ListPage(group.page, group.entries, make, (site,))


def _groups(
    entries: Sequence[PageEntry], key: Callable[[PageEntry], tuple[str, str]]
) -> tuple[EntryGroup, ...]:
    found: dict[tuple[str, str], list[PageEntry]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return tuple(EntryGroup(name, path, tuple(own)) for (name, path), own in found.items())


def newest_by_night(entries: Sequence[PageEntry]) -> list[PageEntry]:
    """The newest analysis with a rate of each night, oldest night first."""
    newest: dict[str, PageEntry] = {}
    for entry in sorted(entries, key=lambda e: e.id):
        if entry.rate is not None:
            newest[entry.night] = entry
    return [newest[night] for night in sorted(newest)]


def light_curves(entries: Sequence[PageEntry]) -> list[Curve]:
    """Excess rate and, where it is known, flux in Crab units over all nights."""
    chosen = newest_by_night(entries)
    rates = [(e, e.rate, e.rate_error) for e in chosen if e.rate is not None]
    fluxes = [(e, e.crab, e.crab_error) for e in chosen if e.crab is not None]
    spans = {e.span for e, _, _ in fluxes}
    within = f", {spans.pop()}" if len(spans) == 1 else ""
    found = []
    for title, axis, points in (
        ("Excess rate", "excess per minute", rates),
        (f"Flux{within}", "Crab units", fluxes),
    ):
        if not points:
            continue
        values = tuple(
            Measurement(
                date.fromisoformat(e.night),
                value,
                error or 0.0,
                (e.significance or 0) >= SIGNIFICANT,
            )
            for e, value, error in points
        )
        charts = tuple(make_chart(values, *size) for size in _SIZES)
        found.append(Curve(title, axis, values, tuple(e for e, _, _ in points), charts))
    return found


def _csv_maker(entries: Sequence[PageEntry]) -> Callable[[], str]:
    def make() -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        names = ["significance", "livetime_h", "rate", "rate_error", "crab", "crab_error"]
        writer.writerow(["night", "analysis", "state", *names])
        for e in newest_by_night(entries):
            writer.writerow([e.night, e.name, e.state, *(getattr(e, name) for name in names)])
        return out.getvalue()

    return make
