"""`astran dl2`: the command line of `lstchain_dl1_to_dl2`, worked on by the fast engine.

The tool is lstchain's own, with its options and its provenance; only the work on the files is
ours. Whatever the fast engine does not know is left to lstchain, with a word in the log and in the
product. A product gets its name when it is whole.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from astran.base.errors import AstranError
from astran.dl2.errors import NotTrusted
from astran.dl2.options import PROVEN, parse_options
from astran.dl2.output import holds_events, mark_engine
from astran.dl2.pickle_owner import require_trusted

_log = logging.getLogger(__name__)

_OF_LSTCHAIN = "lstchain.tools.lstchain_dl1_to_dl2"
_NOT_STARTED = 127


def run_engine(
    words: Sequence[str],
    flat: Path | None = None,
    trusted: Sequence[Path] = (),
) -> int:
    """Make DL2. Returns the exit code: 0 only if every product is there.

    Parameters
    ----------
    flat : where converted models are kept unless --flat-models tells
    trusted : folders of models besides those named by --trust
    """
    choices, rest = parse_options(words, flat)
    choices = replace(choices, trusted=(*choices.trusted, *trusted))
    if reason := _lacking() or ("" if choices.any_release else _unproven()):
        _log.warning("stock engine, because of %s", reason)
        code = _stock(rest, reason, choices.trusted)
    else:
        from astran.dl2.tool import fast_tool

        code = _ended(fast_tool(choices), rest)
    return code or _verify_products(rest)


def _verify_products(words: Sequence[str]) -> int:
    """1 where a product is not there or is the stub of a failed run: lstchain's tool ends with 0
    also where it could not read its configuration."""
    given = _given(words)
    bad = [path for path in _products(given) if not holds_events(path)]
    for path in bad:
        what = "holds no table of events" if path.exists() else "was not made"
        _log.error("%s %s", path, what)
    return int(bool(bad))


def _products(given: argparse.Namespace) -> list[Path]:
    """lstchain renames dl1 to dl2, once."""
    return [given.out / path.name.replace("dl1", "dl2", 1) for path in given.files]


def _lacking() -> str:
    """What the fast engine lacks here; empty if nothing."""
    try:
        import numba  # noqa: F401
        import pandas  # noqa: F401
        from lstchain.tools import lstchain_dl1_to_dl2 as stock
    except ImportError as error:
        return f"an environment without {error.name}"
    needed = ("DL1ToDL2Tool", "apply_to_file", "dl2_filename", "write_provenance")
    lacking = [name for name in needed if not hasattr(stock, name)]
    return f"an lstchain without {', '.join(lacking)} in {_OF_LSTCHAIN}" if lacking else ""


def _unproven() -> str:
    """The release of lstchain, unless its products were compared; else empty."""
    import lstchain

    version = str(lstchain.__version__)
    series = ".".join(version.split(".")[:2])
    return "" if series in PROVEN else f"lstchain {version}, which was not compared yet"


def _stock(words: Sequence[str], reason: str, trusted: Sequence[Path]) -> int:
    """lstchain's own tool, in the process group of this one; its products say why it was."""
    given = _given(words)
    try:
        for models in given.models:
            require_trusted(models, trusted)
    except NotTrusted as error:
        _log.error("%s", error)
        return 1
    name = "lstchain_dl1_to_dl2"
    beside = Path(sys.executable).with_name(name)
    program = str(beside) if beside.exists() else name
    code = os.spawnvp(os.P_WAIT, program, [program, *words])
    if code == _NOT_STARTED:
        _log.error("%s cannot be started", program)
    if code == 0:
        for product in _products(given):
            if product.exists():
                mark_engine(product, f"stock: {reason}")
    return code if code >= 0 else 128 - code


def _given(words: Sequence[str]) -> argparse.Namespace:
    """What the stock tool is told to read and to write."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "-f", "--input-file", "--input-files", dest="files",
        type=Path, nargs="+", action="extend", default=[],
    )  # fmt: skip
    parser.add_argument(
        "-p", "--path-models", dest="models", type=Path, action="append", default=[]
    )
    parser.add_argument("-o", "--output-dir", dest="out", type=Path, default=Path("dl2_data"))
    given, _ = parser.parse_known_args(list(words))
    return given


def _ended(tool: Any, words: Sequence[str]) -> int:
    try:
        tool.run(list(words))
    except SystemExit as ended:
        code = ended.code
        return code if isinstance(code, int) else int(code is not None)
    except AstranError as error:
        _log.error("%s", error)
        return 1
    return 0
