"""What can be written in a launch mail, in words: taken from the configuration model itself."""

from __future__ import annotations

from astran.config.model import dotted_fields
from astran.telescopes.registry import find_chain

_OWN_WORDS = {
    "target": "Name of the source, for example Crab; several: Crab, Mrk421; all: each that was "
    "observed in the nights. Required.",
    "date": "Night, by the date of its evening: 20231207, 2023-12-07, 7 dicembre 2023, last night; "
    "several: 20231207-20231213, or 20231207, 20231209, or 2023-11-01 to 2024-02-29. Required.",
    "repeat": "Standing order, in place of a date: until 2026-12-31; each new night of the target "
    "is then analysed by itself.",
    "cc": "Addresses to which the report goes as well; the site says who may get it.",
    "priority": "alert, daily or campaign: whose jobs come first. Without it, daily; the site says "
    "who may ask for alert.",
    "runs": "Run numbers: 15864, 15865 or 15864-15870; without it, all runs of the night.",
    "ra": "Right ascension of a source that the catalogue does not know, ICRS [deg].",
    "dec": "Declination of a source that the catalogue does not know, ICRS [deg].",
}


def describe_keys(telescope: str = "") -> list[tuple[str, str]]:
    """Every key of the launch language with its meaning, the required ones first."""
    leaves = {
        name: text for name, text in dotted_fields(find_chain(telescope).settings_type).items()
        if not name.startswith("target.")
    }  # fmt: skip
    return list({**_OWN_WORDS, **{k: v for k, v in leaves.items() if k not in _OWN_WORDS}}.items())
