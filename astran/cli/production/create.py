"""create_dl2_LP, create_dl3_LP, create_index_LP: production by hand."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from astran import api
from astran.api import ProductionRun
from astran.base.errors import ConfigError
from astran.base.logging_setup import LogForm, configure_logging
from astran.base.night_data import MissingRun
from astran.base.text import number_ranges
from astran.cli.common import Exit, add_logging_options, add_site_option, read_site, run_guarded
from astran.cli.production.night_options import add_night_options, read_night_options
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig

_EPILOG = """\
examples:
  {prog} -t Crab -d 20231207 --dry-run
  {prog} --config-analysis config_Crab20231207.yml -r 15864-15870
  {prog} --input {input} -t Crab -d 20231207 --output here
  {prog} -t Crab -d 20231207 --submit            as jobs of Slurm

exit codes: 0 done, 1 failed or something left out, 2 wrong usage or configuration
"""
_NIGHT_IN_PATH = re.compile(r"(?<!\d)(20\d{6})(?!\d)")
Prepare = Callable[..., ProductionRun]


def create_dl2(argv: Sequence[str] | None = None) -> int:
    """create_dl2_LP."""
    text = (
        "Make DL2 from DL1 with lstchain's random forests. Without --input, the runs of the target "
        "in that night are taken."
    )
    return _of_runs("create_dl2_LP", text, "DL1", api.prepare_dl2, argv)


def create_dl3(argv: Sequence[str] | None = None) -> int:
    """create_dl3_LP."""
    text = (
        "Make DL3 from DL2, and first the IRFs that are missing for the cuts. Without --input, DL2 "
        "in <output>/DL2 is taken."
    )
    return _of_runs("create_dl3_LP", text, "DL2", api.prepare_dl3, argv)


def create_index(argv: Sequence[str] | None = None) -> int:
    """create_index_LP."""
    parser = argparse.ArgumentParser(
        prog="create_index_LP",
        description="Make the HDU and observation index of the DL3 files in a folder, or of a "
        "night's analysis.",
        epilog="exit codes: 0 done, 1 failed, 2 wrong usage or configuration",
    )
    parser.add_argument("--input", metavar="DIR", type=Path, help="folder of the DL3 files")
    parser.add_argument("--lstchain", default="", help="lstchain version (default: the site's)")
    _add_common(parser)
    args = parser.parse_args(argv)
    _configure_logging(args)

    def act() -> int:
        site = read_site(args)
        folder, version = args.input, args.lstchain
        if folder is None:
            config = _config(args, site, "DL2", ())
            folder = Path(args.output or site.workdir / config.label) / "DL3"
            version = version or api.wanted_software(site, config)
        work = api.prepare_index(site, folder, args.output, version, keep=not args.dry_run)
        return _do(work, args)

    return run_guarded(parser.prog, act)


def _of_runs(
    prog: str,
    text: str,
    level: str,
    prepare: Prepare,
    argv: Sequence[str] | None,
) -> int:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=text,
        epilog=_EPILOG.format(prog=prog, input=f"{level}/"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--input", nargs="+", default=(), metavar="PATH", type=Path,
        help=f"{level} files, or folders of them",
    )  # fmt: skip
    _add_common(parser)
    args = parser.parse_args(argv)
    _configure_logging(args)

    def act() -> int:
        site: SiteConfig = read_site(args)
        config = _config(args, site, level, args.input)
        return _do(prepare(site, config, args.input, args.output, keep=not args.dry_run), args)

    return run_guarded(prog, act)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_night_options(parser)
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help="folder of the analysis (default: <workdir>/<Target><date>)",
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--dry-run",
        action="store_true",
        help="print the exact commands, as a bash script, and touch nothing",
    )
    way.add_argument(
        "--submit",
        action="store_true",
        help="submit jobmanager/v<version>/Script_*.sh to Slurm, instead of running them here",
    )
    add_site_option(parser)
    add_logging_options(parser)


def _config(
    args: argparse.Namespace, site: SiteConfig, level: str, inputs: Sequence[Path]
) -> AnalysisConfig:
    data = read_night_options(args)
    if "date" not in data and (date := _date_of(inputs)):
        data["date"] = date
    for key, option in (("target", "--target"), ("date", "--date")):
        if key not in data:
            raise ConfigError(
                f"The {key} is not given.", cure=f"Use {option} or --config-analysis."
            )
    return api.configure({"telescope": site.telescope, **data}, level.lower())


def _date_of(inputs: Sequence[Path]) -> str:
    """The night that all the paths name, as .../DL1/20231207/v0.10/... does."""
    nights = {
        found[-1] for path in inputs if (found := _NIGHT_IN_PATH.findall(str(path.absolute())))
    }
    return nights.pop() if len(nights) == 1 else ""


def _do(work: ProductionRun, args: argparse.Namespace) -> int:
    # a dry run prints a script: what is not part of it goes beside
    beside = sys.stderr if args.dry_run else sys.stdout
    for line in (*work.notes, *describe_gaps(work.missing)):
        print(line, file=beside)
    if args.dry_run:
        print(work.script(), end="")
        number = len(work.tasks)
        print(f"# {number} {'task' if number == 1 else 'tasks'}; nothing was run.")
        return Exit.FAILED if work.missing else Exit.OK
    if not work.tasks:
        print("There is nothing to make.")
        return Exit.FAILED
    if args.submit:
        for task, job in work.submit():
            print(f"{task.key}: job {job}, {task.script}", flush=True)
        return Exit.FAILED if work.missing else Exit.OK
    records = work.run()
    return Exit.OK if work.good(records) else Exit.FAILED


def describe_gaps(missing: Iterable[MissingRun]) -> Iterator[str]:
    """One line for all runs that are left out for the same reason."""
    by_reason: dict[str, list[int]] = {}
    for gap in missing:
        by_reason.setdefault(gap.reason, []).append(gap.run)
    for reason, runs in by_reason.items():
        words = "Run {} is" if len(runs) == 1 else "Runs {} are"
        yield f"{words.format(number_ranges(runs))} left out: {reason}."


def _configure_logging(args: argparse.Namespace) -> None:
    # a dry run prints a script: what is not part of it goes beside
    configure_logging(
        form=LogForm.PLAIN,
        stream="stderr" if args.dry_run else "stdout",
        verbose=args.verbose,
        as_json=args.log_json,
    )
