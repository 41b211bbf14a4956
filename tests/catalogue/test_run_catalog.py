"""The RunCatalog, read without astropy but as astropy writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.table import Table

from astran.base.errors import CatalogueError
from astran.telescopes.lst.catalogue.runs.run_tables import read_run_catalog

SOURCES = {15861: "Crab", 15862: "Mrk 421", 15863: 'The "Crab", again'}


@pytest.mark.parametrize("delimiter", [",", " "])
def test_as_astropy_writes_it(tmp_path: Path, delimiter: str) -> None:
    table = Table({"run_id": list(SOURCES), "source_name": list(SOURCES.values())})
    table["source_ra"] = 83.6
    path = tmp_path / "RunCatalog_20231213.ecsv"
    table.write(path, format="ascii.ecsv", delimiter=delimiter)
    assert read_run_catalog(path).sources == SOURCES


def test_an_empty_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "RunCatalog.ecsv"
    Table({"run_id": [], "source_name": []}).write(path, format="ascii.ecsv")
    assert read_run_catalog(path).sources == {}


@pytest.mark.parametrize(
    "text", ["run_id,other\n1,Crab\n", "run_id source_name\nx Crab\n", "run_id source_name\n1\n"]
)
def test_a_catalogue_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "RunCatalog.ecsv"
    path.write_text(text)
    with pytest.raises(CatalogueError, match="not as expected"):
        read_run_catalog(path)


def test_a_catalogue_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "RunCatalog.ecsv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="cannot be read"):
        read_run_catalog(path)
