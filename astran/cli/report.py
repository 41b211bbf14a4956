"""`astran report A12`: show the report's mail, store it as a page, or send it again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from astran.base.errors import StoreError
from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_one_parser
from astran.service.deliver import deliver
from astran.service.reporting import resend
from astran.store import analyses, outbox


def add_parser(subparsers: Any) -> None:
    parser = add_one_parser(subparsers, "report", "show or resend the report of an analysis")
    parser.add_argument("--resend", action="store_true", help="send it again")
    parser.add_argument("--to", metavar="ADDR", default="", help="send it to somebody else")
    parser.add_argument("--html", metavar="FILE", type=Path, help="store it as one HTML page")


def run(args: argparse.Namespace) -> int:
    """Print the report's text, or do what the options say."""
    context = make_context(read_site(args), print)
    with context.db.begin() as db:
        analysis = analyses.get(db, args.id)
        mails = [raw for kind, raw in outbox.raws(db, analysis.id) if kind == "report"]
    if args.resend or args.to:
        to = resend(context, analysis, args.to)
        deliver(context)
        print(f"The report of {analysis.name} is on its way to {to}.")
        return Exit.OK
    if not mails:
        raise StoreError(
            f"No report of {analysis.name} was mailed.",
            f"`astran show {analysis.name}` tells how it is going; --to ADDR mails one.",
        )
    if args.html:
        from astran.report.pages import eml_to_html

        args.html.write_text(eml_to_html(mails[-1]), encoding="utf-8")
        print(args.html)
        return Exit.OK
    from email import message_from_bytes
    from email.policy import default

    text = message_from_bytes(mails[-1], policy=default).get_body(("plain",))
    print(text.get_content() if text is not None else "")
    return Exit.OK
