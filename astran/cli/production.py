"""create_dl2_LP, create_dl3_LP, create_index_LP, check_dl2, check_dl3: production by hand."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from astran.base.clock import SystemClock
from astran.base.errors import CatalogueError, ConfigError
from astran.base.nightdata import NightData
from astran.base.records import ExitRecord, Outcome
from astran.base.tasks import Task
from astran.catalogue.inspector import PATIENT_S
from astran.catalogue.lst import LstCatalogue
from astran.catalogue.sources import resolve, same_source
from astran.cli.common import Exit, add_site_option, guarded, read_site
from astran.config.analysis import AnalysisConfig, Start
from astran.config.load import read_yaml
from astran.config.model import build
from astran.production.environments import toolset, with_release
from astran.production.lst import commands
from astran.production.lst.commands import Bench, Checked

_WHOLE_NIGHT = "If no file is given with --input, the runs of the target in that night are taken."


def create_dl2_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of create_dl2_LP."""
    parser = _parser(
        "create_dl2_LP", f"Make DL2 from DL1 with lstchain's random forests. {_WHOLE_NIGHT}"
    )
    _add_night(parser)
    parser.add_argument("--input", nargs="+", metavar="FILE", type=Path, help="DL1 files")
    args = parser.parse_args(argv)
    return guarded(parser.prog, lambda: _create(args, Start.DL1))


def create_dl3_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of create_dl3_LP."""
    parser = _parser(
        "create_dl3_LP",
        "Make DL3 from DL2, and first the IRFs that are missing for the cuts. Without --input, "
        "DL2 in <output>/DL2 is taken.",
    )
    _add_night(parser)
    parser.add_argument(
        "--input", nargs="+", metavar="PATH", type=Path, help="DL2 files, or folders of them"
    )
    args = parser.parse_args(argv)
    return guarded(parser.prog, lambda: _create(args, Start.DL2))


def create_index_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of create_index_LP."""
    parser = _parser("create_index_LP", "Make the HDU and observation index of DL3 files.")
    parser.add_argument(
        "--input", required=True, metavar="DIR", type=Path, help="folder of the DL3 files"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="folder for log and script (default: above)"
    )
    parser.add_argument("--lstchain", default="", help="lstchain version (default: the site's)")
    _add_common(parser)
    args = parser.parse_args(argv)
    return guarded(parser.prog, lambda: _index(args))


def check_dl2_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of check_dl2."""
    return _check("check_dl2", "dl2_*.h5", commands.check_dl2, argv)


def check_dl3_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of check_dl3."""
    return _check("check_dl3", "*.fits*", commands.check_dl3, argv)


# ---- making ------------------------------------------------------------------------------------


def _parser(prog: str, text: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=prog, description=text, epilog="exit codes: 0 done, 1 failed, 2 wrong usage"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_site_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the tasks, touch nothing")


def _add_night(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--target", help="name of the source")
    parser.add_argument("-d", "--date", help="night, YYYYMMDD of its evening")
    parser.add_argument("-r", "--runs", help="run numbers: 15864,15865")
    parser.add_argument("--config", type=Path, metavar="FILE", help="analysis configuration")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any parameter of an analysis, for example dl3.theta_cut=0.2",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help="folder of the analysis (default: <workdir>/<Target><date>)",
    )
    _add_common(parser)


def _create(args: argparse.Namespace, start: Start) -> int:
    config = _config(args, start)
    site = with_release(read_site(args), config.lstchain, keep=not args.dry_run)
    folder = (args.output or site.workdir / config.label).absolute()
    tools = toolset(site, config.lstchain, keep=not args.dry_run)
    bench = Bench(site, tools, folder, sys.executable)
    catalogue = LstCatalogue(site, SystemClock(), same_source, PATIENT_S, not args.dry_run)
    if start is Start.DL1:
        data = (
            catalogue.with_files(config, args.input, with_irfs=False)
            if args.input
            else catalogue.find(config, with_irfs=False)
        )
        tasks = commands.dl2_tasks(config, data, bench)
    else:
        files = list(_expand(args.input or [folder / "DL2"], "dl2_*.h5"))
        data = catalogue.with_files(config, files)
        tasks = commands.dl3_tasks(config, data, bench)
    _say_choices(data)
    return _run(tasks, bench, args.dry_run) or (Exit.FAILED if data.missing else Exit.OK)


def _index(args: argparse.Namespace) -> int:
    site = read_site(args)
    tools = toolset(site, args.lstchain, keep=not args.dry_run)
    folder = (args.output or args.input.absolute().parent).absolute()
    bench = Bench(site, tools, folder, sys.executable)
    return _run(commands.index_tasks(args.input, bench), bench, args.dry_run)


def _config(args: argparse.Namespace, start: Start) -> AnalysisConfig:
    """The analysis configuration from the options; they win over a file."""
    data: dict[str, Any] = read_yaml(args.config) if args.config else {}
    given = {"target": args.target, "date": args.date, "runs": _numbers(args.runs)}
    data.update({key: value for key, value in given.items() if value is not None})
    for text in args.set:
        _set(data, text)
    for key, option in (("target", "-t"), ("date", "-d")):
        if key not in data:
            raise ConfigError(f"The {key} is not given.", cure=f"Use {option} or --config.")
    if isinstance(data["target"], str):
        data["target"] = resolve(data["target"]).model_dump()
    # files are named on this command line, by somebody who may read them anyway
    return build(AnalysisConfig, {**data, "start": start, "folder": ""}, "The request")


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise ConfigError(f"{text!r} is no list of run numbers.") from error


def _set(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write KEY=VALUE, for example dl3.theta_cut=0.2.")
    *groups, name = key.strip().split(".")
    for group in groups:
        inner = data.setdefault(group, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {text}: {group} holds no further keys.")
        data = inner
    try:
        # 0.10 is a version, not the number 0.1
        data[name] = value.strip() if name == "lstchain" else yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value cannot be read.") from error


def _expand(paths: Iterable[Path], pattern: str) -> Iterable[Path]:
    """Files as they are; of folders, the files of that pattern."""
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob(pattern))
            if not found:
                raise CatalogueError(f"The folder {path} holds no file {pattern}.")
            yield from found
        else:
            yield path


def _say_choices(data: NightData) -> None:
    for note in data.notes:
        print(note)
    for gap in data.missing:
        print(f"run {gap.run} is left out: {gap.reason}")


def _run(tasks: Sequence[Task], bench: Bench, dry_run: bool) -> int:
    if dry_run:
        for task in tasks:
            print(f"{task.key}: {task.script}\n  {shlex.join(task.argv)}")
            for product in task.outputs:
                print(f"  -> {product.path}")
        print("Nothing was run.")
        return Exit.OK
    records: tuple[ExitRecord, ...] = commands.run(tasks, bench, _say)
    good = [record for record in records if record.outcome is Outcome.OK]
    return Exit.OK if len(good) == len(tasks) else Exit.FAILED


def _say(text: str) -> None:
    print(text, flush=True)


# ---- checking ----------------------------------------------------------------------------------


def _check(
    prog: str,
    pattern: str,
    check: Callable[[Iterable[Path]], tuple[Checked, ...]],
    argv: Sequence[str] | None,
) -> int:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=f"Check products: whether they open and hold what they should ({pattern}).",
        epilog="exit codes: 0 all good, 1 at least one is not, 2 wrong usage",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders")
    parser.add_argument("--json", action="store_true", help="print facts and problems as JSON")
    args = parser.parse_args(argv)

    def act() -> int:
        files = [path for path in _expand(args.paths, pattern) if "-index.fits" not in path.name]
        checked = check(files)
        if args.json:
            print(json.dumps([asdict(one) for one in checked], indent=2))
        else:
            for one in checked:
                _show(one)
        return Exit.FAILED if any(one.problem for one in checked) else Exit.OK

    return guarded(prog, act)


def _show(one: Checked) -> None:
    print(f"{'BAD ' if one.problem else 'ok  '} {one.path}")
    if one.problem:
        print(f"     {one.problem}")
    for name, value in one.facts.items():
        if name == "warnings":
            for remark in value:
                print(f"     note: {remark}")
        else:
            print(f"     {name}: {value}")
