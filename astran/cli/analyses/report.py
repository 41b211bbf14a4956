"""`astran report A12`: show the report's mail, store it as a page or PDF, or send it again."""

from __future__ import annotations

import argparse
from pathlib import Path

from astran.base.errors import AstranError
from astran.base.files import write_atomic
from astran.base.text import strip_control
from astran.cli.analyses.selection import add_id
from astran.cli.common import Exit, make_context, read_site
from astran.database import analyses
from astran.service.outgoing.delivery import deliver_due
from astran.service.reporting.reports import report_mail, resend_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_id(parser)
    parser.add_argument("--resend", action="store_true", help="send it again")
    parser.add_argument("--to", metavar="ADDR", default="", help="send it to somebody else")
    parser.add_argument("--html", metavar="FILE", type=Path, help="store it as one HTML page")
    parser.add_argument("--pdf", metavar="FILE", type=Path, help="store it as PDF")


def run(args: argparse.Namespace) -> int:
    """Print the report's text, or do what the options say."""
    context = make_context(read_site(args))
    with context.db.begin() as db:
        analysis = analyses.get_analysis(db, args.id)
    if args.resend or args.to:
        to = resend_report(context, analysis, args.to)
        deliver_due(context)
        print(f"The report of {analysis.name} is on its way to {to}.")
    if args.html or args.pdf:
        from astran.report.mail_page import eml_to_html
        from astran.report.pdf import html_to_pdf

        page = eml_to_html(report_mail(context, analysis))
        if args.html:
            _write(args.html, page.encode())
        if args.pdf:
            _write(args.pdf, html_to_pdf(page))
    elif not (args.resend or args.to):
        from email import message_from_bytes
        from email.policy import default

        mail = message_from_bytes(report_mail(context, analysis), policy=default)
        text = mail.get_body(("plain",))
        print(strip_control(str(text.get_content())) if text is not None else "")
    return Exit.OK


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomic(path, content)
    except OSError as error:
        raise AstranError(f"{path} cannot be written: {error.strerror}.") from error
    print(path)
