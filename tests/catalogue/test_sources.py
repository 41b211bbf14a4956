"""The source catalogue and the spellings of names."""

from __future__ import annotations

import math

import pytest
import yaml

from astran.base.errors import CatalogueError
from astran.base.files import packaged_path
from astran.catalogue.sources import find_redshift, is_same_source, resolve_source


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Crab", "Crab"), ("CrabNebula", "Crab"), ("crab nebula", "Crab"), ("M1", "Crab"),
        ("M 1", "Crab"), ("CRAB_NEBULA", "Crab"), ("Tau A", "Crab"), ("Mrk421", "Mrk 421"),
        ("Mkn 421", "Mrk 421"), ("markarian-421", "Mrk 421"), ("1ES1959+650", "1ES 1959+650"),
        ("1ES1959", "1ES 1959+650"), ("PKS 2155", "PKS 2155-304"), ("PKS2155-304", "PKS 2155-304"),
        ("pks2155−304", "PKS 2155-304"), ("LSI +61 303", "LS I +61 303"), ("BLLac", "BL Lac"),
        ("M 87", "M87"), ("SgrA*", "Galactic Center"), ("GalacticCentre", "Galactic Center"),
        ("RGB J0710", "RGB J0710+591"), ("Perseus", "NGC 1275"), ("OJ287", "OJ 287"),
        ("Ton 599", "TON 599"), ("RX J1713", "RX J1713.7-3946"), ("RSOph", "RS Oph"),
    ],
)  # fmt: skip
def test_spellings(spelling: str, name: str) -> None:
    assert resolve_source(spelling).name == name


def test_coordinates_of_sources_everybody_knows() -> None:
    # SIMBAD, ICRS
    for name, ra, dec in [
        ("Crab", 83.6331, 22.0145),
        ("Mrk 421", 166.1138, 38.2088),
        ("Mrk 501", 253.4676, 39.7602),
        ("PKS 2155-304", 329.7169, -30.2256),
        ("M87", 187.7059, 12.3911),
        ("Galactic Center", 266.4168, -29.0078),
        ("GRS 1915+105", 288.7981, 10.9458),
    ]:
        found = resolve_source(name)
        assert found.ra == pytest.approx(ra, abs=0.02)
        assert found.dec == pytest.approx(dec, abs=0.02)


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [
        ("Krab", "Crab"),
        ("Mrk 412", "Mrk 421"),
        ("1ES 1959+605", "1ES 1959+650"),
        ("xyzzy", "`ra:`"),
        ("", "`ra:`"),
        ("PKS 1424", "PKS 1424+240, PKS 1424-418"),
    ],
)
def test_an_unknown_or_unclear_name_says_what_would_be_right(spelling: str, hint: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        resolve_source(spelling)
    assert hint in str(caught.value)


def test_a_short_beginning_is_no_name() -> None:
    for name in ("1ES", "PKS", "HESS J18"):
        with pytest.raises(CatalogueError):
            resolve_source(name)


def test_same_source() -> None:
    assert is_same_source("CrabNebula", "M1")
    assert is_same_source("unknown x", "UnknownX")
    assert not is_same_source("Crab", "Mrk 421")
    assert not is_same_source("unknown", "Crab")
    assert not is_same_source("PKS 1424", "PKS 1424+240")


def test_the_catalogue_is_large_and_in_order() -> None:
    entries = yaml.safe_load((packaged_path("configs") / "sources.yml").read_text())
    assert len({entry["name"] for entry in entries}) == len(entries) >= 80
    for entry in entries:
        assert resolve_source(entry["name"]).name == entry["name"]
        for alias in entry["aliases"]:
            assert resolve_source(alias).name == entry["name"]


def test_names_with_coordinates_agree_with_the_position() -> None:
    """J2000 names hold the position: 1 arcmin or so, or the extent of the source."""
    import re

    for entry in yaml.safe_load((packaged_path("configs") / "sources.yml").read_text()):
        for name in (entry["name"], *entry["aliases"]):
            match = re.search(r"J(\d{2})(\d{2})[\d.]*([+-])(\d{2})", name)
            if not match:
                continue
            ra = 15 * (int(match[1]) + int(match[2]) / 60)
            dec = int(match[3] + "1") * int(match[4])
            away = (entry["ra"] - ra + 180) % 360 - 180
            assert abs(away) * math.cos(math.radians(entry["dec"])) < 0.9, name
            assert abs(entry["dec"] - dec) < 1.3, name


def test_redshifts_by_any_name_of_a_source() -> None:
    assert find_redshift("mrk421") == find_redshift("Markarian 421") == 0.031
    assert find_redshift("1ES 1959") == 0.048
    assert find_redshift("Crab") is None
    assert find_redshift("unknown") is None
