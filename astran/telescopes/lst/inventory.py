"""DL2 and DL3 of a night or of folders: what exists, what is missing, what is broken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import CatalogueError, ConfigError, ProductError
from astran.base.night_data import run_number
from astran.base.tasks import ProductKind
from astran.catalogue.sources import is_same_source
from astran.config.site import SiteConfig
from astran.production.audit.dl2_origin import Origins
from astran.production.audit.dl3_audit import audit_dl3
from astran.production.audit.findings import (
    Audit,
    AuditFindings,
    Dl2Audit,
    Dl3Audit,
    State,
    describe_file,
)
from astran.production.audit.inventory import Inventory
from astran.production.checks.index import check_index
from astran.telescopes.lst.catalogue.dl1.condition import Condition
from astran.telescopes.lst.catalogue.dl1.listing import list_observed_runs
from astran.telescopes.lst.catalogue.file_inspection.inspector import PATIENT_S
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.checks.dl2_audit import audit_dl2
from astran.telescopes.lst.settings import LstConfig, StartLevel

DL2 = re.compile(r"dl2_.*\.h5")
DL3 = re.compile(r"(?!(?:hdu|obs)-index).*\.fits(?:\.gz)?")
INDEX = ("hdu-index.fits.gz", "obs-index.fits.gz", "hdu-index.fits", "obs-index.fits")


@dataclass(frozen=True, slots=True)
class Expected:
    """A run of which there should be a product."""

    run: int
    source: str = ""
    dl1: tuple[Path, ...] = ()
    """Empty: not known, or not there."""
    reason: str = ""
    """Why there can be no product; as in `MissingRun`."""


# ---- what there should be ------------------------------------------------------------------------


def expected_runs(site: SiteConfig, clock: Clock, config: LstConfig) -> list[Expected]:
    """The runs of an analysis (CatalogueError, ConfigError: as the catalogue has it)."""
    if config.start is StartLevel.DL3:
        return []
    catalogue = LstCatalogue(site, clock, is_same_source, PATIENT_S, keep=False)
    data = catalogue.find(config, with_irfs=False)
    name, of_dl1 = config.target.name, config.start is StartLevel.DL1
    runs = [
        Expected(run.run, name, tuple(Path(f.path) for f in run.files) if of_dl1 else ())
        for run in data.runs
    ]
    runs += [Expected(gap.run, name, reason=gap.reason) for gap in data.missing]
    return sorted(runs, key=lambda run: run.run)


def expected_of_night(
    site: SiteConfig, clock: Clock, night: str, runs: Sequence[int] = ()
) -> list[Expected]:
    """All runs of a night, of whatever source."""
    found = []
    for one in list_observed_runs(site, clock, night):
        seen = one.seen
        good = seen.condition is Condition.COMPLETE
        files = seen.usable or seen.files if good else ()
        reason = "" if good else seen.reason or f"its DL1 is {seen.condition}"
        dl1 = tuple(Path(file.path) for file in files)
        found.append(Expected(seen.run, one.source, dl1, reason))
    known = {one.run for one in found}
    found += [Expected(run, reason="no such run is known") for run in runs if run not in known]
    return [one for one in found if not runs or one.run in runs]


def folders_of(workdir: Path, label: str) -> list[Path]:
    """Folders of the analyses of that label (`Crab20231207`; the source may be `*`), the newest
    last."""
    found = []
    for path in workdir.glob(f"{label}*"):
        if (match := re.fullmatch(r".*\d{8}(?:_(\d+))?", path.name)) and path.is_dir():
            found.append((int(match[1] or 1), path))
    return [path for _, path in sorted(found)]


# ---- what there is -------------------------------------------------------------------------------


def take_inventory(
    kind: ProductKind,
    places: Sequence[Path],
    expected: Sequence[Expected] | None,
    dl1: Sequence[Path] = (),
) -> Inventory:
    """Look at every product in the places, and note those that are not there.

    Parameters
    ----------
    kind : DL2 or DL3
    places : files, and folders: of products, or of analyses
    expected : the runs there should be; None: whatever there is
    dl1 : DL1 files or folders to compare DL2 with, instead of those that ASTRAN knows

    Raises
    ------
    CatalogueError : nothing to look at
    """
    # where a night is asked for, its folder need not be there yet
    real = [place for place in places if expected is None or place.exists()]
    files = [file for place in real for file in _files(kind, place)]
    inventory = Inventory(kind=kind, folders=[str(place) for place in places])
    look = _auditor(kind, dl1, {one.run: one for one in expected or ()})
    if expected is None:
        if not files:
            name = "dl2_*.h5" if kind is ProductKind.DL2 else "*.fits"
            listed = ", ".join(map(str, places))
            raise CatalogueError(f"There is no product ({name}) in {listed}.")
        inventory.runs = [look(file) for file in files]
    else:
        by_run: dict[int | None, list[Path]] = {}
        for file in files:
            by_run.setdefault(run_number(file.name), []).append(file)
        for run in expected:
            # of several analyses of a night the newest counts
            there = by_run.get(run.run, [])[-1:]
            audits = [look(file) for file in there] or [_absent(kind, run, places)]
            for one in audits:
                one.source = one.source or run.source
            inventory.runs += audits
    if kind is ProductKind.DL3:
        inventory.index = [_index(path) for path in _indices(files)]
    return inventory.close()


def _files(kind: ProductKind, place: Path) -> list[Path]:
    """A file as it is; of a folder the products in it, or in its folder DL2 or DL3."""
    if not place.is_dir():
        return [place]
    pattern = DL2 if kind is ProductKind.DL2 else DL3
    for folder in (place / kind.value.upper(), place):
        found = sorted(path for path in _listed(folder) if pattern.fullmatch(path.name))
        if found:
            return found
    # data stores often keep their files one level down
    return sorted(
        path
        for folder in _listed(place)
        if folder.is_dir() and not folder.name.startswith(".")
        for path in _listed(folder)
        if pattern.fullmatch(path.name)
    )


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _auditor(
    kind: ProductKind, dl1: Sequence[Path], expected: Mapping[int, Expected]
) -> Callable[[Path], Audit]:
    if kind is ProductKind.DL3:
        return audit_dl3
    origins, given = Origins(), list(_dl1_files(dl1))

    def look(path: Path) -> Audit:
        run, origin = run_number(path.name), origins.of(path)
        wanted = path.name.replace("dl2_", "dl1_", 1)
        if given:
            same = [file for file in given if file.name == wanted]
            files = same or [file for file in given if run_number(file.name) == run]
        else:
            known = expected[run].dl1 if run is not None and run in expected else ()
            files = list(origin.dl1 or known)
        return audit_dl2(path, files, origin.settings)

    return look


def _dl1_files(places: Iterable[Path]) -> Iterable[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(place.glob("dl1_*.h5"))
        elif place.is_file():
            yield place
        else:
            raise CatalogueError(f"There is no file or folder {place}.")


def _absent(kind: ProductKind, run: Expected, places: Sequence[Path]) -> Audit:
    level = kind.value.upper()
    name = f"{kind.value}_LST-1.Run{run.run:05d}.{'h5' if kind is ProductKind.DL2 else 'fits'}"
    folder = next((place for place in reversed(places) if not place.is_file()), None)
    if folder is not None and (folder / level).is_dir():
        folder /= level
    reason = f"There is no {level} of it"
    if run.reason:
        reason += f": {run.reason}."
    else:
        reason += ", though its DL1 is complete." if run.dl1 else "."
    make = Dl2Audit if kind is ProductKind.DL2 else Dl3Audit
    return make(
        run=run.run,
        source=run.source,
        path=str(folder / name) if folder else "",
        state=State.MISSING,
        problems=[reason],
    )


def _indices(files: Iterable[Path]) -> list[Path]:
    folders = dict.fromkeys(file.parent for file in files if file.name.startswith("dl3_"))
    return [folder / name for folder in folders for name in INDEX if (folder / name).is_file()]


def _index(path: Path) -> Audit:
    audit, findings = Audit(), AuditFindings()
    if describe_file(audit, path, findings):
        try:
            check_index(path)
        except ProductError as error:
            findings.problems.append(str(error))
        audit.settle(findings)
    return audit


def check_products(
    kind: ProductKind,
    site: SiteConfig | None,
    places: Sequence[Path],
    config: LstConfig | None,
    night: str,
    runs: Sequence[int],
    dl1: Sequence[Path],
    clock: Clock,
) -> Inventory:
    """DL2 or DL3 of an analysis, of a night, or of whatever is in the places."""
    if config is None and not night:
        if not places:
            raise ConfigError("Nothing to check.", cure="Name files, folders, or a night.")
        return take_inventory(kind, places, None, dl1)
    if site is None:
        raise ConfigError("To check a night, the site configuration is needed.")
    if config is not None:
        label, night, target = config.label, config.date, config.target.name
        expected = expected_runs(site, clock, config)
    else:
        label, target = f"*{night}", ""
        expected = expected_of_night(site, clock, night, tuple(runs))
    if not expected:
        raise CatalogueError(f"No run of the night {night} is known.")
    known = folders_of(site.workdir, label)
    found = take_inventory(
        kind, places or known or [site.workdir / label.strip("*")], expected, dl1
    )
    found.night, found.target = night, target
    return found
