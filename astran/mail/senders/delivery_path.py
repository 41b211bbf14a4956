"""The way that a mail took, by its Received lines (RFC 5321 section 4.4), and which hosts are own.

Each server puts its line on top. So what stands above the line of the server that took the mail
from outside was written by own ones; what is below may have been written by anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from astran.config.mailbox import ICLOUD, MICROSOFT_365, MailSettings
from astran.mail.identity import organization
from astran.mail.parsing.mail_facts import MailFacts

_LONGEST = 2_000
_BY = re.compile(r"\bby\s+([A-Za-z0-9][A-Za-z0-9.:-]{0,253})", re.I)
_FROM = re.compile(r"\s*from\s", re.I)
# addresses that no stranger has (RFC 1918, RFC 4193, RFC 3927, the machine itself)
_WITHIN = re.compile(
    r"\[(?:IPv6:)?(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|::1\]|f[cd][0-9a-f]{2}:)",
    re.I,
)
_WITHIN_NAMES = ("internal", "local", "localdomain", "localhost", "lan", "intranet")
_PROVIDERS = {
    MICROSOFT_365: frozenset({"outlook.com", "office365.com", "microsoft.com", "onmicrosoft.com"}),
    ICLOUD: frozenset({"icloud.com", "me.com", "mac.com", "apple.com"}),
    # the mail of both comes through servers of the other's name
    "mx.google.com": frozenset({"google.com", "gmail.com", "googlemail.com"}),
}


@dataclass(frozen=True, slots=True)
class OwnHosts:
    """The servers of the mailbox's provider."""

    domains: frozenset[str]

    def holds(self, host: str) -> bool:
        """Whether a host is one of them; a name without a domain is one inside."""
        return "." not in host or ":" in host or self.names(host)

    def names(self, host: str) -> bool:
        """Whether a host is one of them by its domain."""
        host = host.lower().strip(".")
        inside = host.rpartition(".")[2] in _WITHIN_NAMES
        return inside or organization(host) in self.domains or host in self.domains


def own_hosts(settings: MailSettings) -> OwnHosts:
    """The servers that write above a mail on its way into the mailbox."""
    named = [
        settings.authserv_id, settings.imap.host, settings.smtp.host, *settings.own_hosts,
        *(address.rpartition("@")[2] for address in (settings.address, *settings.aliases)),
    ]  # fmt: skip
    domains = {organization(name) for name in named if "." in name and not name[-1:].isdigit()}
    return OwnHosts(frozenset(domains) | _PROVIDERS.get(settings.authserv_id.lower(), frozenset()))


def own_place(facts: MailFacts, own: OwnHosts) -> list[tuple[str, str]]:
    """The headers that the own servers wrote.

    These are the headers above the Received line of the server that took the mail from outside;
    where that is an own one, those right below its line as well, for some servers add their
    findings there. Below the next Received line everything may be the sender's.
    """
    found: list[tuple[str, str]] = []
    entered = False
    for name, value in facts.headers:
        if name == "received":
            step = step_of(value, own)
            if entered or step is Step.ELSEWHERE:
                break
            entered = step is Step.ENTRY
        found.append((name, value))
    return found


class Step(StrEnum):
    """What a Received line tells."""

    WITHIN = "within"
    """From one own server to another, or within one."""
    ENTRY = "entry"
    """From outside to an own server."""
    ELSEWHERE = "elsewhere"
    """From one server to another, neither of them known as an own one."""


def step_of(received: str, own: OwnHosts) -> Step:
    """What a Received line tells, if it is an own one."""
    line = received[:_LONGEST]
    server = written_by(line)
    if _FROM.match(line) is None and own.holds(server):
        return Step.WITHIN
    client = _BY.split(line)[0]
    names = client.split()[1:2]
    # without the address of the client, only its own word tells who it is
    inside = "[" not in client and bool(names) and own.names(names[0])
    if _WITHIN.search(client) or inside:
        return Step.WITHIN
    return Step.ENTRY if own.holds(server) else Step.ELSEWHERE


def written_by(received: str) -> str:
    """The server that wrote a Received line; a name that nobody has where it does not say."""
    match = _BY.search(received[:_LONGEST])
    return match[1].rstrip(".") if match else "unknown.invalid"


def is_from_outside(facts: MailFacts, own: OwnHosts) -> bool:
    """Whether a mail came in from another server, by any of its Received lines."""
    return any(step_of(line, own) is not Step.WITHIN for line in facts.values("received"))
