"""Whether the mail server vouches for the From address (RFC 8601, RFC 7489).

Only what the own mail server wrote counts. It writes its Authentication-Results headers above
whatever the mail brought along, so the headers that count are the topmost ones without a gap, above
the first Received line of another server, each with the name that the server is known by. Anything
else may have been written by the sender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from authres import AuthenticationResultsHeader, AuthResError

from astran.config.mailbox import ICLOUD, MICROSOFT_365, MailSettings
from astran.mail.identity import organization
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.senders.delivery_path import (
    Step,
    own_hosts,
    own_place,
    step_of,
    written_by,
)

Proof = Callable[[str], tuple[bool, str]]
"""Whether a From address is proven by the mail itself, and why. Raises DnsUnavailable where that
cannot be told now."""

_NAME = "authentication-results"
# what filters on the same server may write in between
_BETWEEN = frozenset({
    "dkim-filter", "dmarc-filter", "received-spf", "x-spam-status",
    # iCloud
    "x-arc-info", "x-dmarc-info", "x-dmarc-policy", "x-icl-info", "x-apple-action",
})  # fmt: skip
_LONGEST = 8_000
_DEEPEST = 40


def is_vouched(facts: MailFacts, address: str, settings: MailSettings) -> tuple[bool, str]:
    """Whether the site's mail server says that DMARC passed for this From address, and why.

    True only for exactly one DMARC result in the whole block, a pass, for just the domain of the
    address.
    """
    name = settings.authserv_id
    block = list(_block(facts, settings))
    if not block:
        return False, _why_none(facts, settings)
    results = [
        result for header in block for result in header.results if _method(result) == "dmarc"
    ]
    if len(results) != 1:
        return False, f"{name}: {len(results)} DMARC results instead of one"
    [result] = results
    if result.result != "pass":
        return False, f"DMARC says {result.result}"
    domains = {
        (prop.value or "").rpartition("@")[2].lower().rstrip(".")
        for prop in result.properties
        if prop.type == "header" and prop.name == "from"
    }
    wanted = address.rpartition("@")[2].lower()
    if domains != {wanted}:
        return False, f"DMARC passed for another domain than {wanted}"
    return True, "DMARC passed"


def authentication_results(facts: MailFacts, settings: MailSettings) -> list[str]:
    """What the own mail server found, as words like `dkim=pass`; without an `authserv_id`, what
    the topmost such header says. For people to read: nothing may be decided by it."""
    if settings.authserv_id:
        block = list(_block(facts, settings))
    else:
        top = _parse(facts.value(_NAME))
        named = settings.model_copy(update={"authserv_id": top.authserv_id if top else ""})
        block = list(_block(facts, named))
    found = [result for header in block for result in header.results]
    return [f"{_method(one)}={one.result}" for one in found if one.result]


def likely_authserv_id(facts: MailFacts) -> str:
    """The setting `authserv_id` that fits a mail as it lies in the mailbox; empty where none does.
    For people to read: nothing may be decided by it."""
    for value in facts.values(_NAME):
        if (header := _parse(value)) is None:
            # the topmost one decides: what is below may be the sender's
            return MICROSOFT_365 if _parse(f"{MICROSOFT_365}; {value}") else ""
        name = str(header.authserv_id)
        if name.endswith(".icloud.com"):
            return ICLOUD
        return name
    return ""


def _block(facts: MailFacts, settings: MailSettings) -> Iterator[AuthenticationResultsHeader]:
    wanted = settings.authserv_id.lower()
    begun = False
    for name, value in own_place(facts, own_hosts(settings)):
        if name == _NAME:
            header = _parse(f"{MICROSOFT_365}; {value}" if wanted == MICROSOFT_365 else value)
            if header is None:
                return
            found = header.authserv_id.lower()
            if wanted == ICLOUD:
                # each of its filters writes one of its own
                found = ICLOUD if found.endswith(".icloud.com") else found
            begun = True
            if found == wanted:
                yield header
            elif organization(found) != organization(wanted):
                return
        elif begun and name not in _BETWEEN:
            return


def _why_none(facts: MailFacts, settings: MailSettings) -> str:
    own = own_hosts(settings)
    reason = f"no Authentication-Results of {settings.authserv_id} on top of the mail"
    foreign = (line for line in facts.values("received") if step_of(line, own) is Step.ELSEWHERE)
    host = next(map(written_by, foreign), "")
    if host and facts.values(_NAME) and not any(n == _NAME for n, _ in own_place(facts, own)):
        reason += f", above the Received line of {host[:100]}"
    return reason


def _parse(value: str) -> AuthenticationResultsHeader | None:
    """The parsed header, or None for one that does not follow the standard."""
    if len(value) > _LONGEST or value.count("(") > _DEEPEST or not value.isascii():
        return None
    try:
        # many servers end the last result, too, with a semicolon; the parser insists on none
        header = AuthenticationResultsHeader.parse_value(value.rstrip("; \t"))
    except (AuthResError, ValueError):
        return None
    return header if header.authserv_id else None


def _method(result: object) -> str:
    return str(getattr(result, "method", "none"))
