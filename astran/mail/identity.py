"""Which mails and addresses are ASTRAN's own, and which belong to one person or one owner."""

from __future__ import annotations

import re
from collections.abc import Iterable

from astran.config.site import MailSettings

# `<kind.about.number.hash@domain of the service>`, as astran.mail.letters.mime writes them
_OWN_ID = re.compile(r"<[A-Za-z0-9_-]+(?:\.([A-Za-z0-9_-]+))?\.\d+\.[0-9a-f]{16}@([A-Za-z0-9.-]+)>")
# `ac.uk`, `co.jp`: below such a pair of labels everybody may have a name
_SHARED = frozenset({"ac", "co", "com", "edu", "gob", "gov", "go", "mil", "ne", "net", "or", "org"})
_MATTER = re.compile(r"[AS][1-9]\d{0,9}")


def organization(host: str) -> str:
    """The domain that one owner has, of a host or domain: `mx.institute.example` ->
    `institute.example`."""
    labels = host.lower().strip(".").split(".")
    shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED
    return ".".join(labels[-3 if shared else -2 :])


def person_of(address: str) -> str:
    """One address for all that reach the same person: without `+tag` and dots, in lower case."""
    local, _, domain = address.lower().rpartition("@")
    plain = local.partition("+")[0].replace(".", "")
    domain = "gmail.com" if domain == "googlemail.com" else domain
    return f"{plain or local}@{domain}"


def own_addresses(settings: MailSettings) -> frozenset[str]:
    """Every address of the service's mailbox, in lower case."""
    return frozenset(address.lower() for address in (settings.address, *settings.aliases))


def is_own_address(address: str, settings: MailSettings) -> bool:
    """Whether an address reaches the service's own mailbox, a `+tag` included."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" in own_addresses(settings) or (
        address.lower() in own_addresses(settings)
    )


def is_own_id(message_id: str, settings: MailSettings) -> bool:
    """Whether ASTRAN made this Message-ID."""
    match = _OWN_ID.fullmatch(message_id)
    return match is not None and match[2].lower() in _domains(settings)


def analyses_named_in(
    references: Iterable[str], settings: MailSettings, letter: str
) -> tuple[str, ...]:
    """Ids with this letter (A: analysis, S: standing order) in the references of a mail."""
    found: dict[str, None] = {}
    for reference in references:
        match = _OWN_ID.fullmatch(reference)
        about = (match[1] or "") if match and match[2].lower() in _domains(settings) else ""
        if about.startswith(letter) and _MATTER.fullmatch(about):
            found[about] = None
    return tuple(found)


def _domains(settings: MailSettings) -> frozenset[str]:
    return frozenset(address.rpartition("@")[2] for address in own_addresses(settings))
