"""The tables of a night: RunCatalog (which run observed which source) and RunSummary (which runs
there were, and of how many subruns)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from astran.base.errors import DataUnavailable
from astran.catalogue.ecsv import ends_with_line_feed, read_rows

OF_DATA = "DATA"
"""The run type of observations; others are DRS4, PEDCALIB and ERROR."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One row of a RunSummary, as `lstchain_create_run_summary` writes it."""

    run: int
    subruns: int
    """0: not told."""
    kind: str


@dataclass(frozen=True, slots=True)
class RunCatalog:
    """The sources of a night's runs."""

    sources: Mapping[int, str]
    """Name by run number."""
    cut: bool = False
    """Whether it ends in the middle of a row: it is being written."""
    quiet: bool = True
    """Whether it was not written to lately."""


def read_run_catalog(path: Path, *, ends: bool = False) -> RunCatalog:
    """Source name by run number.

    Parameters
    ----------
    ends : the last line must end with a line feed, as in all that lstchain and astropy write; a
        file that is long there may have lost it to an editor

    Raises
    ------
    DataUnavailable : it cannot be read or lacks a column
    """
    table = read_rows(path, "RunCatalog")
    closed = ends_with_line_feed(path)
    short = bool(table) and None in table[-1].values()
    cut = (short and (len(table) > 1 or not closed)) or (ends and bool(table) and not closed)
    if cut:
        table = table[:-1]
    try:
        return RunCatalog({int(row["run_id"]): row["source_name"].strip() for row in table}, cut)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataUnavailable(
            f"The RunCatalog {path} is not as expected: it needs the columns run_id and "
            "source_name, and a number and a name in each row."
        ) from error


def read_run_summary(path: Path) -> dict[int, Summary]:
    """The runs of a night by number.

    Raises
    ------
    DataUnavailable : it cannot be read or lacks a column
    """
    table = read_rows(path, "RunSummary")
    try:
        rows = [
            Summary(int(row["run_id"]), int(row["n_subruns"]), row["run_type"].strip())
            for row in table
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataUnavailable(
            f"The RunSummary {path} is not as expected: it needs the columns run_id, n_subruns and "
            "run_type."
        ) from error
    return {row.run: row for row in rows}
