"""`astran provenance FILE`: where a product came from, as W3C PROV."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from astran.base.errors import AstranError
from astran.base.files import write_atomic
from astran.cli.common import Exit, add_site_option, make_context, read_site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Writes the provenance of a DL2, IRF, DL3, index or result file of an analysis "
        "as W3C PROV (PROV-JSON): all files and tasks back to DL1, models and Monte Carlo. Links "
        "to products are followed, copies are known by their content."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the product, a link to it, a copy")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there (default: to the terminal)"
    )
    parser.add_argument(
        "--anonymous", action="store_true", help="leave out who asked for the analyses"
    )
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Write the document; errors name what is the matter with the file."""
    from astran.service.provenance import product_search
    from astran.service.provenance.graph import lineage_of_product
    from astran.service.provenance.w3c_prov import make_prov_document
    from astran.service.reporting.privacy import private_rule

    site = read_site(args)
    context = make_context(site)
    private = private_rule(site.pages.private)
    with context.db.begin() as db:
        found = product_search.find_product(db, args.file)
        rule = (lambda config: True) if args.anonymous else private
        lineage, subject = lineage_of_product(db, found.made, rule)
    if not found.there:
        note = f"{found.asked} is gone; this is what is recorded of it."
        print(f"astran provenance: {note}", file=sys.stderr)
    text = make_prov_document(lineage, subject, found.asked).serialize(indent=2)
    if args.output is None:
        print(text)
        return Exit.OK
    try:
        write_atomic(args.output, f"{text}\n")
    except OSError as error:
        raise AstranError(f"{args.output} cannot be written: {error.strerror}.") from error
    return Exit.OK
