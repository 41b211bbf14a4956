"""Verifying a sender by the mail itself, for sites whose mail server vouches for nobody.

A DKIM signature (RFC 6376) of the From domain, checked against its public key in the DNS; or a
secret that only this sender and the site know.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Iterator

from astran.base.errors import ConfigError
from astran.config.site import MailSettings
from astran.mail.authenticity import Proof
from astran.mail.headers import Message, addresses, values
from astran.mail.identity import own_addresses

DnsLookup = Callable[..., bytes | None]
"""TXT record of a name, as dkimpy asks for it: `lookup(b"s._domainkey.x.", timeout=5)`."""

SECRET_LINE = re.compile(r"^[ \t]*secret[ \t]*[:=][ \t]*(\S{1,200})[ \t]*$", re.I | re.M)
_ANY_SECRET_LINE = re.compile(r"^[ \t]*secret[ \t]*[:=][^\r\n]*$", re.I | re.M)
_TO = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")
_MOST_SIGNATURES = 4
_MUST_BE_SIGNED = frozenset({"from", "subject"})


def proof_of(
    raw: bytes, message: Message, settings: MailSettings, lookup: DnsLookup | None = None
) -> Proof | None:
    """How the sender of this mail is verified; None where the site does not verify by the mail."""
    if settings.authserv_id or settings.trust_from:
        return None
    if not (settings.verify_dkim or settings.secrets):
        return None

    def prove(sender: str) -> tuple[bool, str]:
        reason = ""
        if sender in settings.secrets:
            if _knows_secret(message, sender, settings):
                return True, "the mail holds the sender's secret"
            reason = "the sender's secret is missing or wrong"
        if settings.verify_dkim:
            good, why = signed(raw, message, sender, lookup)
            return good, why if good or not reason else f"{reason}; {why}"
        return False, reason or "no secret is agreed with this sender"

    return prove


def signed(
    raw: bytes, message: Message, sender: str, lookup: DnsLookup | None = None
) -> tuple[bool, str]:
    """Whether a DKIM signature of the From domain (or of a domain above it) holds, and why."""
    try:
        import dkim
    except ImportError as error:
        raise ConfigError(
            "mail.verify_dkim is on, but dkimpy is not installed.",
            cure="Install it with: pip install 'astran[dkim]'",
        ) from error
    domain = sender.rpartition("@")[2]
    reason = f"no DKIM signature of {domain}"
    for number, tags in enumerate(_signatures(message)):
        if number >= _MOST_SIGNATURES:
            break
        signer = tags.get("d", "").lower().rstrip(".")
        if not _aligned(signer, domain):
            continue
        if "l" in tags:
            reason = "the DKIM signature covers only a part of the mail"
            continue
        covered = {name.strip().lower() for name in tags.get("h", "").split(":")}
        if not covered >= _MUST_BE_SIGNED:
            reason = "the DKIM signature does not cover From and Subject"
            continue
        verifier = dkim.DKIM(raw, logger=_SILENT, minkey=1024, timeout=5)
        try:
            good = verifier.verify(number, dnsfunc=lookup) if lookup else verifier.verify(number)
        except (dkim.DKIMException, ValueError, OSError) as error:
            reason = f"the DKIM signature of {signer} cannot be verified: {error}"
            continue
        if good:
            return True, f"DKIM signature of {signer}"
        reason = f"the DKIM signature of {signer} does not hold"
    return False, reason


def signers(message: Message, domain: str) -> tuple[str, ...]:
    """Domains that claim to have signed the mail and could vouch for `domain`; not verified."""
    claimed = (tags.get("d", "").lower().rstrip(".") for tags in _signatures(message))
    return tuple(dict.fromkeys(signer for signer in claimed if _aligned(signer, domain)))


_SILENT = logging.getLogger("astran.dkim")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def without_secret(text: str) -> str:
    """The text with an empty line in place of a line that holds a secret, or what was meant as
    one."""
    return _ANY_SECRET_LINE.sub("", text)


def _signatures(message: Message) -> Iterator[dict[str, str]]:
    for header in values(message, "dkim-signature"):
        pairs = (piece.partition("=") for piece in header.split(";"))
        yield {name.strip(): re.sub(r"\s+", "", text) for name, _, text in pairs if name.strip()}


def _aligned(signer: str, domain: str) -> bool:
    return "." in signer and (signer == domain or domain.endswith(f".{signer}"))


def _knows_secret(message: Message, sender: str, settings: MailSettings) -> bool:
    from astran.mail.text import read_body

    wanted = settings.secrets[sender].reveal()
    given = [match[1] for text in read_body(message).texts for match in SECRET_LINE.finditer(text)]
    own = own_addresses(settings)
    for name in _TO:
        for header in values(message, name):
            for address in addresses(header):
                local, _, domain = address.partition("@")
                box, plus, tag = local.partition("+")
                if plus and f"{box}@{domain}" in own:
                    given.append(tag)
    # addresses are read in lower case; so is the secret in one
    return any(hmac.compare_digest(one.lower().encode(), wanted.lower().encode()) for one in given)
