"""What reports ask of the browsable pages: to be brought up to date, and where a page is served."""

from __future__ import annotations

from sqlalchemy import Connection

from astran.database import chores
from astran.database.analyses import Analysis
from astran.service.context import Context
from astran.service.reporting.privacy import private_rule

PAGES_CHORE = "pages"


def plan_update(context: Context, db: Connection) -> None:
    """Have the pages brought up to date, if the site wants that."""
    if context.site.pages.output is not None:
        chores.advance_chore(db, PAGES_CHORE, context.clock.now())


def page_address(context: Context, analysis: Analysis) -> str:
    """Where the page of an analysis is served; empty where it is not."""
    url, private = context.site.pages.url, context.site.pages.private
    if not url or private_rule(private)(analysis.config):
        return ""
    return f"{url}/analyses/{analysis.name}/index.html"
