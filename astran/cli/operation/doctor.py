"""`astran doctor`: try every outside part, and say what is wrong with its cure."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from astran.base.clock import SystemClock
from astran.base.findings import Finding, Result
from astran.base.text import count_noun, strip_control
from astran.cli.common import Exit, add_site_option
from astran.service.doctor.examination import run_probes

_STYLES = {Result.OK: "green", Result.WARN: "yellow", Result.FAIL: "bold red"}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="try every outside part and say what is wrong",
        description="Try every outside part (mail, scheduler, lstchain, data, database, ...) and "
        "say cause and cure of what is wrong. Exit code 0: nothing fails.",
    )
    parser.add_argument("--send-test", metavar="ADDR", default="", help="send a test mail there")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print findings as they come; 1 where something fails."""
    found = run_probes(args.site, SystemClock(), sys.executable, args.send_test)
    if args.json:
        findings = list(found)
        print(json.dumps([finding.to_json() for finding in findings], indent=2))
    else:
        findings = _print(Console(), found)
    return Exit.FAILED if any(f.result is Result.FAIL for f in findings) else Exit.OK


def _print(console: Console, found: Iterable[Finding]) -> list[Finding]:
    findings = []
    with console.status("Examining ..."):
        for finding in found:
            findings.append(finding)
            mark = Text(f"{finding.result.value:4} ", style=_STYLES[finding.result])
            line = Text.assemble(
                mark, (f"{finding.part}: ", "bold"), strip_control(finding.message)
            )
            console.print(line, soft_wrap=True)
            if finding.cure:
                console.print(
                    Padding(Text(strip_control(finding.cure)), (0, 0, 0, 5)), soft_wrap=True
                )
    bad = sum(finding.result is Result.FAIL for finding in findings)
    odd = sum(finding.result is Result.WARN for finding in findings)
    if bad or odd:
        console.print(f"{count_noun(bad, 'failure')}, {count_noun(odd, 'warning')}.", style="bold")
    else:
        console.print("All is well.", style="bold green")
    return findings
