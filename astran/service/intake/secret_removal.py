"""Secrets of senders: cut out of a mail before anything of it is stored, and out of old stores."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, Table, select, update

from astran.base.errors import Problem
from astran.config.site import MailSettings, SiteConfig
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.mail.parsing.headers import read_message
from astran.mail.ports import FetchedHeader
from astran.mail.secret_removal import cut_headers, cut_mail, cut_subject, cut_text, secrets_of
from astran.service.intake.decision import Decision

_BATCH = 100


def without_secrets(
    settings: MailSettings, envelope: FetchedHeader, decision: Decision, raw: bytes | None
) -> tuple[FetchedHeader, Decision, bytes | None]:
    """The same without the secrets that the mail holds; for all that is stored, said and
    answered."""
    message = envelope.headers if raw is None else read_message(raw)
    secrets = secrets_of(message, settings, decision.sender)
    envelope = replace(envelope, headers=cut_headers(envelope.headers, secrets))

    def cut(problem: Problem) -> Problem:
        return Problem(
            cut_text(problem.where, secrets),
            cut_text(problem.reason, secrets),
            cut_text(problem.suggestion, secrets),
            problem.line,
        )

    decision = replace(
        decision,
        thread=replace(decision.thread, subject=cut_subject(decision.thread.subject, secrets)),
        text=cut_text(decision.text, secrets),
        problems=tuple(map(cut, decision.problems)),
        example=cut_text(decision.example, secrets),
    )
    return envelope, decision, raw and cut_mail(raw, secrets)


def cut_fault(
    settings: MailSettings,
    envelope: FetchedHeader | None,
    raw: bytes | None,
    short: str,
    details: str,
) -> tuple[FetchedHeader | None, str, str]:
    """A mail's headers and the words about what went wrong with it, without its secrets.

    Never raises: the mail is one that ASTRAN stumbles over. Where its secrets cannot be found, the
    traceback is left out, since it may quote them.
    """
    if envelope is None:
        return None, cut_text(short), cut_text(details)
    try:
        message = envelope.headers if raw is None else read_message(raw)
        secrets = secrets_of(message, settings)
        clean = replace(envelope, headers=cut_headers(envelope.headers, secrets))
        return clean, cut_text(short, secrets), cut_text(details, secrets)
    except Exception:  # noqa: BLE001 - see above
        kind = short.partition(":")[0]
        return envelope, kind, f"{kind}. The traceback may quote the mail and is left out."


def scrub_store(database: Database, site: SiteConfig) -> int:
    """Cut secrets out of mails that were stored with them; returns how many those were."""
    message, letter = t.message, t.outgoing_mail
    number = 0
    for table, person in ((message, message.c.sender), (letter, letter.c.recipient)):
        last = 0
        while True:
            query = (
                select(table.c.id, table.c.raw, table.c.subject, person.label("person"))
                .where(table.c.id > last)
                .order_by(table.c.id)
                .limit(_BATCH)
            )
            with database.begin() as db:
                _overwrite(db)
                rows = db.execute(query).all()
                number += sum(_scrub_row(db, table, site.mail, *row) for row in rows)
            if not rows:
                break
            last = rows[-1].id
    return number


def _overwrite(db: Connection) -> None:
    """SQLite keeps what is replaced in the file, unless it is told not to."""
    if db.dialect.name == "sqlite":
        db.exec_driver_sql("PRAGMA secure_delete=ON")


def _scrub_row(
    db: Connection,
    table: Table,
    settings: MailSettings | None,
    key: int,
    raw: bytes | None,
    subject: str,
    person: str,
) -> bool:
    secrets = secrets_of(read_message(raw or b""), settings, person)
    made = raw and cut_mail(raw, secrets)
    words = cut_subject(subject, secrets)
    if made == raw and words == subject:
        return False
    if made is None and table is t.outgoing_mail:
        made = b""  # nothing that could be sent, but the column is never without a value
    db.execute(update(table).where(table.c.id == key).values(raw=made, subject=words))
    return True
