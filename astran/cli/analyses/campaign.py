"""`astran campaign`: many nights in one go, below the daily work and within a budget."""

from __future__ import annotations

import argparse

from astran.base.errors import ConfigError
from astran.base.night import Night
from astran.catalogue.sources import find_redshift, resolve_source
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.database.analyses import RequestOrigin
from astran.database.orders import data_sets
from astran.launch_language.parser import parse
from astran.launch_language.resolve import resolve_config, several_nights
from astran.service.data_sets.launch import BUDGET, create_data_set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Analyse many nights and stack them, as a mail with `nights: …` does. astran-launcher does "
        "the work; astran show tells how it is going, astran hold, release and cancel steer it."
    )
    add = parser.add_argument
    add("--target", required=True, metavar="NAMES", help="sources, with commas; all: each observed")
    add("--nights", required=True, metavar="NIGHTS", help="for example 2023-11-01 to 2024-02-29")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any parameter, for example lstchain=0.10.x; may be repeated",
    )
    add(
        "--core-hours",
        type=float,
        metavar="H",
        help="budget: nights that would ask for more are left out, the oldest nights come first",
    )
    add("--email", default="", metavar="ADDR", help="who gets the report")
    add("--yes", action="store_true", help="do not wait for the GO of --email, whatever it costs")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Store the campaign.

    Raises
    ------
    ConfigError : nights, targets or parameters that cannot be used
    """
    site = read_site(args)
    if args.email and (site.mail is None or args.email.count("@") != 1):
        raise ConfigError("--email needs an address, and a site with a mailbox.")
    if args.core_hours is not None and not args.core_hours > 0:
        raise ConfigError("--core-hours needs a number above 0.")
    context = make_context(site)
    chosen = [line.replace("=", ": ", 1) for line in args.set]
    text = "\n".join([f"target: {args.target}", f"nights: {args.nights}", *chosen])
    now = context.clock.now()
    parsed = parse(text, site.telescope, now)
    config = resolve_config(parsed, resolve_source, Night.of(now), site.telescope, find_redshift)
    several = several_nights(parsed.params)
    if several is None:
        raise ConfigError(
            f"{args.nights!r} is one night of one target.",
            cure="A single night is `astran --config-analysis FILE --submit`.",
        )
    budget = {} if args.core_hours is None else {BUDGET: args.core_hours}
    origin = RequestOrigin(params={"priority": "campaign", **parsed.params, **budget})
    with context.db.begin() as db:
        whole = create_data_set(context, db, origin, config, several, args.email)
        if args.yes:
            data_sets.change_options(db, whole.id, agreed=True)
    print(
        f"{whole.name} {whole.label}: {several.words}. astran-launcher takes it up at its next "
        f"tick; `astran show {whole.name}` tells how it is going."
    )
    return Exit.OK
