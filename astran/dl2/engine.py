"""`astran dl2`: the command line of `lstchain_dl1_to_dl2`, worked on by the fast engine.

The tool is lstchain's own, with its options and its provenance; only the work on the files is
ours. Whatever the fast engine does not know is left to lstchain, with a word in the log and in the
product. A product gets its name when it is whole.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astran.base.errors import AstranError
from astran.dl2.errors import DamagedModel, NotSupported, NotTrusted
from astran.dl2.pickle_owner import require_trusted

ENGINE = "ASTRAN_DL2_ENGINE"
"""Attribute of a DL2 file: `fast`, or `stock` and why."""
COMPRESSIONS = ("lz4", "zstd")
PROVEN = ("0.10", "0.11", "0.12")
"""Releases of lstchain whose products were compared with those of the fast engine, bit by bit."""
_OF_LSTCHAIN = "lstchain.tools.lstchain_dl1_to_dl2"
_NOT_STARTED = 127

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the fast engine adds to the options of the stock tool."""

    flat: Path
    trusted: tuple[Path, ...] = ()
    threads: int = 1
    rows: int | None = None
    compression: str = "lz4"
    any_release: bool = False


def default_flat() -> Path:
    """Where converted models are kept unless told: in the cache of the user (XDG)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "astran" / "models"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of where converted models lie; the same for `dl2` and `convert-models`."""
    parser.add_argument(
        "--flat-models", metavar="DIR", type=Path,
        help="where converted models are kept (default: below the site's shared folder; without a "
        f"site {default_flat()})",
    )  # fmt: skip
    parser.add_argument(
        "--trust", metavar="DIR", type=Path, action="append", default=[],
        help="load pickled models from below this folder; may be repeated",
    )  # fmt: skip


def parse_options(
    words: Sequence[str], flat: Path | None = None
) -> tuple[EngineOptions, list[str]]:
    """Our options, and the words that are for lstchain's tool."""
    parser = argparse.ArgumentParser(
        prog="astran dl2",
        description="DL1 to DL2 with a fast evaluation of the random forests: the options of "
        "lstchain_dl1_to_dl2 (-f, -p, -o, -c, ...), and these:",
        epilog="`lstchain_dl1_to_dl2 --help` lists the options of the stock tool.",
        allow_abbrev=False,
    )
    add_options(parser)
    parser.add_argument(
        "--threads", type=_positive, default=_cpus(),
        help="threads to use (default: what the job was given, here %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--block-rows", type=_positive, metavar="N",
        help="events that are in work at a time (default: 65536, or 262144 with large models)",
    )  # fmt: skip
    parser.add_argument(
        "--compression", choices=COMPRESSIONS, default=COMPRESSIONS[0],
        help="of the table of events: lz4 (default), or zstd as lstchain: slower, smaller",
    )  # fmt: skip
    parser.add_argument(
        "--any-release", action="store_true",
        help="be fast also with a release of lstchain that was not compared yet (compared: "
        f"{', '.join(PROVEN)})",
    )  # fmt: skip
    ours, rest = parser.parse_known_args(list(words))
    choices = EngineOptions(
        flat=ours.flat_models,
        trusted=tuple(ours.trust),
        threads=ours.threads,
        rows=ours.block_rows,
        compression=ours.compression,
        any_release=ours.any_release,
    )
    return choices, rest


def run_engine(
    words: Sequence[str],
    flat: Path | None = None,
    trusted: Sequence[Path] = (),
    say: Say | None = None,
) -> int:
    """Make DL2. Returns the exit code: 0 only if every product is there.

    Parameters
    ----------
    flat : where converted models are kept unless --flat-models tells
    trusted : folders of models besides those named by --trust
    """
    choices, rest = parse_options(words, flat)
    choices = replace(choices, trusted=(*choices.trusted, *trusted))
    say = say or _say
    if reason := _lacking() or ("" if choices.any_release else _unproven()):
        say(f"stock engine, because of {reason}")
        return _stock(rest, reason, choices.trusted)
    from astran.dl2.tool import fast_tool

    return _ended(fast_tool(choices, say), rest)


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
        _say(str(error))
        return 1
    name = "lstchain_dl1_to_dl2"
    beside = Path(sys.executable).with_name(name)
    program = str(beside) if beside.exists() else name
    code = os.spawnvp(os.P_WAIT, program, [program, *words])
    if code == _NOT_STARTED:
        _say(f"{program} cannot be started")
    if code == 0:
        # it renames dl1 to dl2, once
        names = [path.name.replace("dl1", "dl2", 1) for path in given.files]
        for product in (given.out / name for name in names):
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
    parser.add_argument("-o", "--output-dir", dest="out", type=Path, default=Path())
    given, _ = parser.parse_known_args(list(words))
    return given


def mark_engine(path: Path, engine: str) -> None:
    """Write into a DL2 file what made it."""
    import tables

    with tables.open_file(str(path), "a") as handle:
        handle.root._v_attrs[ENGINE] = engine


def _ended(tool: Any, words: Sequence[str]) -> int:
    try:
        tool.run(list(words))
    except SystemExit as ended:
        code = ended.code
        return code if isinstance(code, int) else int(code is not None)
    except AstranError as error:
        _say(str(error))
        return 1
    return 0


@contextmanager
def temporary_name(path: Path) -> Iterator[Path]:
    """A name to write to; the file takes its final name at the end, or is thrown away."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_ours(error: BaseException) -> bool:
    """Whether lstchain's own tool may well do what the fast engine could not."""
    return isinstance(error, (NotSupported, DamagedModel))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _cpus() -> int:
    """Cores that the job was given; else those that this process may use."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))


def _say(text: str) -> None:
    print(f"astran dl2: {text}", flush=True)
