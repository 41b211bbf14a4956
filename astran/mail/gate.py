"""Who may ask, and what is no request at all: the gates, cheapest first; the first that fits ends.

Only headers are looked at. Nobody is answered whose address is not authentic, and no machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from astran.base.errors import DnsUnavailable
from astran.base.mail_commands import find_command, near_command
from astran.config.site import MailSettings
from astran.mail.identity import is_own_address, is_own_id
from astran.mail.letters.mime import LOOP_HEADER
from astran.mail.parsing.headers import addresses
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.parsing.new_text import is_answer
from astran.mail.senders import automatic_mail
from astran.mail.senders.authentication_results import Proof, is_vouched


class MailVerdict(StrEnum):
    """What becomes of a mail."""

    OWN = "own"
    """Sent by ASTRAN itself."""
    BOUNCE = "bounce"
    """A report on a mail that was not delivered: look up which of ours, never answer."""
    NOT_OURS = "not-ours"
    """No request to ASTRAN: leave it where it is."""
    MACHINE = "machine"
    """From a program: file it, never answer."""
    UNAUTHENTICATED = "unauthenticated"
    """Nobody vouches for the From address: quarantine, in silence."""
    UNSETTLED = "unsettled"
    """A request; who sent it can only be told from the whole mail, or not now."""
    STRANGER = "stranger"
    """Authentic, but not on the allow list: at most one courtesy refusal a day."""
    TAKE = "take"
    """A request by somebody who may ask."""

    @property
    def may_answer(self) -> bool:
        """Whether the sender may get any answer at all."""
        return self in (MailVerdict.STRANGER, MailVerdict.TAKE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a mail, with its reason in words."""

    verdict: MailVerdict
    sender: str
    """The From address in lower case; empty where there is not exactly one."""
    reason: str


def classify_mail(
    facts: MailFacts, settings: MailSettings, proof: Proof | None = None
) -> Judgement:
    """Judge a mail by its headers. Never raises.

    Where the site verifies senders by the mail itself, the verdict without `proof` is UNSETTLED; so
    it is with one while the DNS does not answer, for those who may ask.
    """
    verdict, reason = _verdict(facts, settings, proof)
    return Judgement(verdict, facts.sender, reason)


def allowed(address: str, settings: MailSettings) -> bool:
    """Whether an address is on the allow list, by itself or by its domain; the operator is."""
    address = address.lower()
    domain = "@" + address.rpartition("@")[2]
    return bool(address) and (
        address in settings.allow
        or domain in settings.allow
        or address == settings.operator.lower()
    )


def may_alert(address: str, settings: MailSettings) -> bool:
    """Whether a sender may ask for the priority of an alert."""
    address = address.lower()
    named = {address, f"@{address.rpartition('@')[2]}"} & set(settings.alert_senders)
    return bool(named) or address == settings.operator.lower()


def may_read(address: str, settings: MailSettings) -> bool:
    """Whether a report may go to an address because somebody else asked for that."""
    address = address.lower()
    listed = address in settings.readers or f"@{address.rpartition('@')[2]}" in settings.readers
    return (listed or allowed(address, settings)) and not is_own_address(address, settings)


def is_request(facts: MailFacts, settings: MailSettings) -> bool:
    """Whether the mail speaks to ASTRAN: a keyword in its subject, or an answer to one of ASTRAN's
    own mails."""
    if any(find_command(title) for title in facts.subjects):
        return True
    return any(is_own_id(reference, settings) for reference in facts.references)


def is_near_request(facts: MailFacts) -> bool:
    """Whether the subject is nearly a keyword; an answer has only inherited it."""
    return not is_answer(facts.message) and any(map(near_command, facts.subjects))


def _verdict(
    facts: MailFacts, settings: MailSettings, proof: Proof | None
) -> tuple[MailVerdict, str]:
    found = _verdict_on_any(facts, settings, proof)
    answered = found[0] in (MailVerdict.TAKE, MailVerdict.UNSETTLED)
    other = found[0] in (MailVerdict.OWN, MailVerdict.BOUNCE)
    if answered or other or is_request(facts, settings):
        return found
    # those who may not ask are not answered for a word that is none
    return MailVerdict.NOT_OURS, "no keyword in the subject"


def _verdict_on_any(
    facts: MailFacts, settings: MailSettings, proof: Proof | None
) -> tuple[MailVerdict, str]:
    sender = facts.sender
    if reason := _own(facts, settings):
        return MailVerdict.OWN, reason
    if reason := automatic_mail.parse_bounce(facts):
        return MailVerdict.BOUNCE, reason
    if not (is_request(facts, settings) or is_near_request(facts)):
        return MailVerdict.NOT_OURS, "no keyword in the subject"
    if reason := automatic_mail.is_automatic(
        facts, settings.lists, suppressing=settings.suppress_all_is_automatic
    ):
        return MailVerdict.MACHINE, reason
    if facts.ambiguity:
        return MailVerdict.UNAUTHENTICATED, facts.ambiguity
    if not sender:
        return MailVerdict.UNAUTHENTICATED, "not exactly one From address"
    if settings.authserv_id:
        authentic, reason = is_vouched(facts, sender, settings)
    elif settings.trust_from:
        authentic, reason = True, "the From line is trusted"
    elif settings.verify_dkim or sender in settings.secrets:
        if proof is None:
            return MailVerdict.UNSETTLED, "the mail itself tells who sent it"
        try:
            authentic, reason = proof(sender)
        except DnsUnavailable as error:
            # strangers are not waited for: they could keep the DNS from answering
            known = allowed(sender, settings)
            return MailVerdict.UNSETTLED if known else MailVerdict.UNAUTHENTICATED, str(error)
    else:
        authentic, reason = False, "nothing vouches for the From address"
    if not authentic:
        return MailVerdict.UNAUTHENTICATED, reason
    if not allowed(sender, settings):
        return MailVerdict.STRANGER, "not on the allow list"
    return MailVerdict.TAKE, reason


def _own(facts: MailFacts, settings: MailSettings) -> str:
    if facts.values(LOOP_HEADER.lower()):
        return "loop header"
    if is_own_id(facts.message_id, settings):
        return "own Message-ID"
    # a group with the mailbox's own address sends in its own name
    through_list = automatic_mail.is_of_list(facts, settings.lists)
    names = ("from",) if through_list else ("from", "sender", "return-path", "resent-from")
    for name in names:
        if any(is_own_address(found, settings) for found in addresses(facts.value(name))):
            return f"own address in {name.title()}"
    return ""
