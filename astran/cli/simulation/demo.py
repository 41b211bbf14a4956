"""`astran demo`: a simulated night, from mail to mail, on this machine."""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from astran.base.clock import SystemClock
from astran.cli.common import Exit

if TYPE_CHECKING:
    from astran.demo.demo_run import DemoResult
    from astran.demo.servers import MailServers

_DESCRIPTION = """\
Show ASTRAN at work without any account, cluster, server or data: simulate an LST-1 night of the
Crab, start mail servers on this machine, send a launch mail, run astran-launcher until the result
mail is there, and compare the result with what was simulated.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("astran-demo"),
        metavar="DIR",
        help="folder for everything (default ./astran-demo); a former demo in it is removed",
    )
    parser.add_argument(
        "--keep-servers",
        action="store_true",
        help="leave the mail servers running at the end, until Ctrl-C",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON line")


def run(args: argparse.Namespace) -> int:
    """Run the demo; print where its fruits are."""
    from astran.cli.progress_bars import Bars
    from astran.demo.demo_run import run_demo
    from astran.demo.simulate import Simulation
    from astran.report.mail_page import eml_to_html

    try:
        with Bars(quiet=args.json) as bars:
            result = run_demo(
                args.output,
                Simulation(),
                SystemClock(),
                bars,
                eml_to_html,
                _wait if args.keep_servers else lambda servers: None,
            )
    except KeyboardInterrupt:
        print("\nInterrupted. What was under way has been stopped.")
        return Exit.INTERRUPTED
    if args.json:
        print(json.dumps(result.summary))
    else:
        _print(result)
    return Exit.OK


def _wait(servers: MailServers) -> None:
    print(f"\nThe mail servers run on {servers.host} until Ctrl-C:")
    print(f"  IMAP port {servers.imap_port}, SMTP port {servers.smtp_port}, no encryption")
    for user, password in servers.passwords.items():
        print(f"  user {user}, password {password}")
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def _print(result: DemoResult) -> None:
    files, found = result.files, result.summary
    excess = f"{found['excess']:.0f} ± {found['excess_error']:.0f}"
    plots = sorted(files.analysis.glob("*/results"))
    print(f"\n{found['target']}, night of {found['night']} (SIMULATED)")
    print(f"  significance  {found['significance']:.1f} sigma in {found['livetime_h']:.3f} h")
    print(f"  excess        {excess} events; simulated: {found['excess_truth']}")
    print(f"  map peak      {found['map_peak_offset_deg']:.3f} deg from the source")
    print(
        f"  time          {found['wall_s']:.0f} s, of which {found['simulate_s']:.0f} s simulation"
    )
    print("\nTo look at:")
    print(f"  mails    {files.mails}  (open the .html in a browser)")
    for folder in plots:
        print(f"  plots    {folder}")
    print(f"  logs     {files.logs}")
    print(f"  truth    {files.truth}")
    print(f"  summary  {files.summary}")
