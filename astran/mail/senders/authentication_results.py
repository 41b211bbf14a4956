"""Whether the mail server vouches for the From address (RFC 8601, RFC 7489).

Only what the own mail server wrote counts. It writes its Authentication-Results headers on top of
whatever the mail brought along, so the headers that count are the topmost ones without a gap, each
with the name that the server is known by. Anything else may have been written by the sender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from authres import AuthenticationResultsHeader, AuthResError

from astran.mail.parsing.mail_facts import MailFacts

Proof = Callable[[str], tuple[bool, str]]
"""Whether a From address is proven by the mail itself, and why."""

_NAME = "authentication-results"
# what filters on the same server may write in between
_BETWEEN = frozenset({"dkim-filter", "dmarc-filter", "received-spf", "x-spam-status"})
_LONGEST = 8_000
_DEEPEST = 40


def is_vouched(facts: MailFacts, address: str, authserv_id: str) -> tuple[bool, str]:
    """Whether the server `authserv_id` says that DMARC passed for this From address, and why.

    True only for exactly one DMARC result in the whole block, a pass, for just the domain of the
    address.
    """
    block = list(_block(facts, authserv_id))
    if not block:
        return False, f"no Authentication-Results of {authserv_id} on top of the mail"
    results = [
        result for header in block for result in header.results if _method(result) == "dmarc"
    ]
    if len(results) != 1:
        return False, f"{len(results)} DMARC results instead of one"
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


def authentication_results(facts: MailFacts, authserv_id: str = "") -> list[str]:
    """What the own mail server found, as words like `dkim=pass`; without an `authserv_id`, what
    the topmost such header says. For people to read: nothing may be decided by it."""
    name = authserv_id
    if not name:
        top = next((value for key, value in facts.headers if key == _NAME), "")
        header = _parse(top)
        name = header.authserv_id if header else ""
    found = [result for header in _block(facts, name) for result in header.results]
    return [f"{_method(one)}={one.result}" for one in found if one.result]


def _block(facts: MailFacts, authserv_id: str) -> Iterator[AuthenticationResultsHeader]:
    begun = False
    for name, value in facts.headers:
        if name == _NAME:
            header = _parse(value)
            if header is None or header.authserv_id.lower() != authserv_id.lower():
                return
            begun = True
            yield header
        elif begun and name not in _BETWEEN:
            return


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
