"""Names of the files in a capsule, and the options that a rerun follows."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from astran.base.errors import ProductError
from astran.highlevel import options

METADATA = "ro-crate-metadata.json"
DL3, RESULTS_FOLDER = "DL3", "results"
OPTIONS = "config/highlevel.json"
CONFIG = "config/analysis.yml"
PROVENANCE = "provenance/prov.json"
INDEX = f"{DL3}/hdu-index.fits"
_PLACES = ("--dl3", "--output", "--config", "--json")
"""Options that name files of the machine, or what is printed."""


def portable_options(argv: Sequence[str]) -> list[str]:
    """The options of a high-level task that say what is made; those that name places are left out.

    Parameters
    ----------
    argv : the command line of the task, with the interpreter
    """
    after = argv.index("astran.highlevel") + 1 if "astran.highlevel" in argv else 0
    kept: list[str] = []
    words = iter(argv[after:])
    for word in words:
        name, sign, _ = word.partition("=")
        if name not in _PLACES:
            kept.append(word)
        elif not sign and name != "--json":
            next(words, None)
    several = sum(word.startswith("--dl3") for word in argv) > 1
    # a capsule has one folder: what follows from there being several is said in words
    if several and not any(word.startswith("--stack-by") for word in kept):
        kept.append(f"--stack-by={options.StackRule.RESPONSE}")
    return kept


def write_options(words: Sequence[str]) -> str:
    """The content of the file with the options."""
    return json.dumps({"command": "astran highlevel", "options": list(words)}, indent=2) + "\n"


def read_options(text: str, dl3: str, output: str) -> options.Options:
    """The analysis that the file with the options asks for.

    Raises
    ------
    ProductError : it holds what is no option of `astran highlevel`, or an option that names a place
    """
    data: Any = json.loads(text)
    words = data.get("options") if isinstance(data, dict) else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ProductError(f"{OPTIONS} of the capsule holds no list of options.")
    if portable_options(words) != words:
        raise ProductError(f"{OPTIONS} of the capsule names places of another machine.")
    parser = _Parser(prog="astran highlevel", allow_abbrev=False)
    options.add_arguments(parser)
    return options.read_options(parser.parse_args([*words, f"--dl3={dl3}", f"--output={output}"]))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise ProductError(f"{OPTIONS} of the capsule cannot be followed: {message}.")


def is_safe_name(name: str) -> bool:
    """Whether a name of a zip member stays below the folder into which it is unpacked."""
    path = PurePosixPath(name)
    return (
        bool(name)
        and not path.is_absolute()
        and ".." not in path.parts
        and not set(name) & set("\\:\0")
        and name.isprintable()
    )
