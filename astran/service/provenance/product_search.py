"""Which product of which task a file is: by its name, by the links that lead to it, by content."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from astran.base.errors import AstranError, StoreError
from astran.base.tasks import ProductKind
from astran.database.history import lineage
from astran.database.history.lineage import MadeProduct
from astran.production.job.products import product_checksum

_UNKNOWN = (
    "Known are products of the analyses in this site's database, also links to them and unchanged "
    "copies. Is it the right site configuration (--site)?"
)


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A product that was asked for."""

    made: MadeProduct
    asked: Path
    """The path that was given, absolute."""
    there: bool
    """False: the file is gone; what is recorded of it is still known."""


def find_product(db: Connection, path: Path) -> FoundProduct:
    """The product that a file is.

    Raises
    ------
    AstranError : no product of this site, or no longer as its task left it
    """
    asked = Path(os.path.normpath(path.expanduser().absolute()))
    named = _named(db, asked)
    if not asked.exists():
        if named and named[0].product.path == str(asked):
            return FoundProduct(named[0], asked, there=False)
        raise AstranError(f"There is no file {path}.", "Is the path right?")
    digest = _digest(asked)
    fitting = [one for one in named if _fits(one, asked, digest)]
    fitting = (
        fitting
        or lineage.products_with_checksum(db, digest)
        or lineage.folders_with_checksum(db, digest)
    )
    if fitting:
        return FoundProduct(fitting[0], asked, there=True)
    if named:
        raise _changed(db, asked, named[0], digest)
    raise _unknown(db, asked)


def _named(db: Connection, asked: Path) -> list[MadeProduct]:
    """Products recorded under the name of the file, of a step of its links, or of its folder."""
    steps = {asked, asked.resolve()}
    step = asked
    for _ in range(40):  # as the kernel does
        if not step.is_symlink():
            break
        step = Path(os.path.normpath(step.parent / step.readlink()))
        steps.add(step)
    folders = {parent for one in steps for parent in one.parents}
    exact = lineage.products_at(db, {str(one) for one in steps})
    inside = lineage.products_at(db, {str(one) for one in folders})
    return exact + [one for one in inside if one.product.kind in (ProductKind.RESULTS, "")]


def _digest(path: Path) -> str:
    try:
        return product_checksum(path)[0]
    except OSError as error:
        raise AstranError(f"{path} cannot be read: {error.strerror}.") from error


def _fits(one: MadeProduct, asked: Path, digest: str) -> bool:
    """Whether a file has the content that was recorded; where nothing was, nobody can tell."""
    product = one.product
    if digest == product.sha256 or not product.sha256:
        return True
    if asked.is_dir():
        return False
    files = product.facts.get("files", {})
    return digest in files.values()


def _changed(db: Connection, asked: Path, made: MadeProduct, digest: str) -> AstranError:
    maker = lineage.making_task(db, made.task_id)
    recorded = made.product.sha256
    inside = made.product.facts.get("files", {})
    if asked.is_file() and inside:
        recorded = next((s for name, s in inside.items() if str(asked).endswith(f"/{name}")), "")
    told = f"recorded is {recorded[:16]}…" if recorded else "none is recorded for that name"
    when = f" on {maker.finished:%Y-%m-%d %H:%M} UTC" if maker.finished else ""
    return AstranError(
        f"{asked} is no longer as {maker.task.key} of A{maker.task.analysis_id} left it{when}: its "
        f"checksum is {digest[:16]}…, {told}.",
        "So its provenance is not known. `astran retry` makes a product anew.",
    )


def _unknown(db: Connection, asked: Path) -> AstranError:
    for path in (str(asked), str(asked.resolve())):
        if numbers := lineage.reading_analyses(db, path):
            names = ", ".join(f"A{number}" for number in numbers)
            return StoreError(
                f"ASTRAN did not make {asked}: it is an input of {names}.",
                "Ask for the provenance of one of their products.",
            )
    return StoreError(f"ASTRAN has no record of {asked}.", _UNKNOWN)
