"""`astran db`: look after the database."""

from __future__ import annotations

import argparse

from astran.cli.common import Exit, add_site_option, read_site
from astran.config.site import SiteConfig
from astran.config.yaml_files import load_site, site_path
from astran.database.connection import HEAD, Database
from astran.database.location import opening
from astran.service.intake.secret_removal import scrub_store

_DESCRIPTION = """\
upgrade   bring the database to the schema of this ASTRAN, and cut secrets out of stored mails
version   tell the schema version
init      take what is in the work folder for the store of this site from now on, and make what is
          not there: a new, empty store where the old one is gone for good
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", choices=("upgrade", "version", "init"), help="what to do")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Upgrade, tell the version, or begin anew."""
    if args.action == "init":
        site = load_site(site_path(args.site))
        opening.begin_new_store(site).close()
        print(f"The store of this site is in {site.workdir}, database {_shown(site)}.")
        return Exit.OK
    site = read_site(args)
    database = Database.existing(site.database_url, any_version=True)
    if args.action == "upgrade":
        database = _upgrade(site, database)
    version = database.version() if database is not None else None
    print(f"schema version {version or 'none'}, this ASTRAN needs {HEAD}")
    return Exit.OK


def _upgrade(site: SiteConfig, database: Database | None) -> Database:
    if database is not None:
        database.upgrade()
        database.close()
    database = opening.open_store(site)
    if number := scrub_store(database, site):
        print(f"Secrets were cut out of {number} stored mails.")
    return database


def _shown(site: SiteConfig) -> str:
    from sqlalchemy import make_url

    return make_url(site.database_url).render_as_string()
