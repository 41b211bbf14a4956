"""What is written about a data set: what it holds and costs, and how it is going."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from astran.base.text import count_noun
from astran.database.analyses import Analysis
from astran.database.orders.data_sets import DataSetNight
from astran.service.config_files import config_of
from astran.service.context import Context
from astran.service.data_sets.census import Census
from astran.service.outgoing.enqueue import enqueue_letter, readers_of, thread_of_analysis
from astran.service.reporting.night_tables import census_table, title_of


def enqueue_census(
    context: Context,
    db: Connection,
    whole: Analysis,
    nights: Sequence[DataSetNight],
    census: Census,
    why: str,
) -> None:
    """The confirmation of a data set, told before anything of it starts; `why` says why it waits
    for its requester's GO, empty where it does not."""
    question = ""
    if why:
        question = (
            f"{why[0].upper()}{why[1:]}. Answer this mail with GO as its first line to start it "
            f"(within 7 days), or with CANCEL."
        )
    readers = readers_of(context, whole)
    facts = [*census_facts(census)]
    if readers:
        facts.append(("Report also to", ", ".join(readers)))
    letter = context.letters.data_set(
        thread_of_analysis(whole),
        whole.name,
        title_of(nights),
        config_of(whole),
        facts,
        census_table(nights),
        explicit=tuple(whole.params),
        question=question,
        at_once=context.site.scheduler.nights_at_once,
    )
    enqueue_letter(context, db, "data-set", letter, whole)


def census_facts(census: Census) -> list[tuple[str, str]]:
    """What a data set holds and costs, for people."""
    awaited = f", of which {census.awaited} are still to come" if census.awaited else ""
    hours = f"{census.hours:.1f} h" if census.hours else ""
    if census.hours_unknown:
        unknown = f"not known of {count_noun(census.hours_unknown, 'night')}"
        hours = f"{hours}, {unknown}" if hours else unknown
    cost = f"at most {census.core_hours:.1f} core hours"
    if census.core_hours_unknown:
        cost += f", not known of {count_noun(census.core_hours_unknown, 'night')}"
    return [
        ("Nights", f"{census.nights} asked for, {census.with_data} with data{awaited}"),
        ("Runs", str(census.runs)),
        ("Livetime", hours or "none"),
        ("Cost", cost),
    ]
