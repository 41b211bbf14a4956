"""Made-up analyses for the pages, with all files that they have."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from letters.letter_samples import RUNS, numbers, png

from astran.base.states import AnalysisState
from astran.config.analysis import Target
from astran.report.model import Report, ReportPlot
from astran.report.outcomes import RunOutcome, StageLine
from astran.report.pages.page_data import Health, PageData, PageSignature, ProductLine, TaskSheet
from astran.results.codec import results_from_json
from astran.telescopes.lst.settings import LstConfig

NOW = datetime(2023, 12, 8, 9, 12, 30, tzinfo=UTC)
HEALTH = Health(
    facts=(("As of", "2023-12-08 09:12 UTC"), ("Tasks running", "3")),
    troubles=(),
    typical=(("dl2", 1260.0), ("highlevel", 55.0)),
)
TELLING = "OSError: Unable to open file (truncated file: eof = 96)"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>"
    "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link \u202egnp.exe\u2066 \x00\x07"
    "\"'`{{7*7}}"
)
"""What a name, a log or a value may hold at worst."""


def make_sheet(
    folder: Path,
    number: int,
    *,
    target: str = "Crab",
    night: str = "20231207",
    state: AnalysisState = AnalysisState.DONE,
    sigma: float = 24.3,
) -> PageData:
    """An analysis with plots, logs, results and products in `folder`."""
    own = folder / f"A{number}"
    own.mkdir(parents=True, exist_ok=True)
    good = state in (AnalysisState.DONE, AnalysisState.PARTIAL)
    bad = RunOutcome(15866, False, "dl3", "the DL2 file is damaged", (TELLING,), own / "dl3.log")
    runs = RUNS if state is AnalysisState.DONE else (*RUNS[:2], bad)
    results: dict[str, Any] = {"stacked": numbers(1185, 972, 861.0, sigma, 1.02)}
    results["spectrum"] = {
        "energy_min_tev": 0.1,
        "energy_max_tev": 10.0,
        "crab": {"value": 0.97, "error": 0.06},
    }
    (own / "results.json").write_text(json.dumps(results))
    for name in ("theta2", "skymap"):
        (own / f"{name}.png").write_bytes(png(640, 480))
    (own / "theta2.pdf").write_bytes(b"%PDF-1.4\n")
    lines = [f"line {n}" for n in range(40)]
    (own / "dl3.log").write_text("\n".join([*lines, TELLING, "end"]) + "\n")
    report = Report(
        request_id=f"A{number}",
        state=state,
        config=LstConfig(target=Target(name=target, ra=83.6331, dec=22.0145), date=night),
        site="LST-1, La Palma",
        requester="shifter@institute.example",
        runs=runs if good else (bad,),
        stages=(StageLine("dl2", 3, 3, 0, 0, 3, 423.5, 6210.0), StageLine("dl3", 3, 2, 0, 1, 4)),
        received=NOW - timedelta(minutes=14),
        started=NOW - timedelta(minutes=13),
        ended=NOW if state.final else None,
        versions=(("astran", "0.1.0"), ("lstchain", "0.12.3")),
        notes=("DL1 of version v0.10, tailcut84: the newest of 2 versions.",),
        warnings=("The sky map off the source has sigma 1.21.",) if good else (),
        results=results_from_json(results)[0] if good else None,
        plots=(
            ReportPlot(own / "theta2.png", "theta2 distribution", "theta2: 861 events of excess."),
            ReportPlot(own / "skymap.png", "Sky map", "Sky map: one peak at the source."),
        )
        if good
        else (),
        folder=str(own),
    )
    failed = TaskSheet(
        "dl3-15866",
        "failed",
        ok=False,
        command="lstchain_create_dl3_file --input-dl2 dl2.h5",
        reason="the DL2 file is damaged",
        node="cp01",
        log=own / "dl3.log",
        log_excerpt=(TELLING,),
    )
    done = TaskSheet(
        "dl2-15864",
        "done",
        ok=True,
        command="lstchain_dl1_to_dl2 --input-file dl1.h5",
        fingerprint="a" * 64,
        log=own / "dl3.log",
        products=(ProductLine("dl2_LST-1.Run15864.h5", "b" * 64, 1_234_567),),
    )
    return PageData(
        id=number,
        report=report,
        tasks=(done,) if state is AnalysisState.DONE else (done, failed),
        history=((NOW, report.headline),),
        files=(own / "results.json", own / "run_table.ecsv") if good else (),
        remaining="" if state.final else "about 12 min left",
    )


def hostile_sheet(folder: Path, number: int) -> PageData:
    """An analysis whose every text wants to do harm."""
    plain = make_sheet(folder, number, state=AnalysisState.PARTIAL)
    own = folder / f"A{number}"
    (own / "dl3.log").write_text(f"{HOSTILE}\n{'x' * 1_000_000}\n{HOSTILE}\n")
    long = HOSTILE + "y" * 1_000_000
    config = LstConfig(target=Target(name=HOSTILE[:60], ra=1, dec=2), date="20231207")
    picture = own / f"{HOSTILE[:8]}.png"
    picture.write_bytes(png())
    report = replace(
        plain.report,
        config=config,
        runs=tuple(replace(run, reason=long, stage=HOSTILE) for run in plain.report.runs),
        stages=(StageLine(HOSTILE, 1),),
        versions=((HOSTILE, long),),
        notes=(long,),
        warnings=(long,),
        errors=(long,),
        folder=long,
        site=HOSTILE,
        plots=(ReportPlot(picture, long, long),),
    )
    tasks = tuple(
        replace(
            task, key="dl3-1", command=long, reason=long, node=HOSTILE, log_excerpt=(HOSTILE, long)
        )
        for task in plain.tasks
    )
    return replace(plain, report=report, tasks=tasks, history=((NOW, long),))


def stamps(sheets: list[PageData]) -> list[PageSignature]:
    """As the store would give them."""
    return [PageSignature(sheet.id, sheet.report.state.value) for sheet in sheets]
