"""Verifying a sender by the mail itself, for sites whose mail server vouches for nobody.

A DKIM signature (RFC 6376) of the From domain, checked against its public key in the DNS; or a
secret that only this sender and the site know.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Iterator, Mapping

from astran.base.errors import ConfigError, DnsUnavailable
from astran.config.site import MailSettings
from astran.mail.identity import own_addresses
from astran.mail.parsing.headers import Message, addresses, values
from astran.mail.parsing.new_text import read_body
from astran.mail.senders.authentication_results import Proof

DnsLookup = Callable[..., bytes | None]
"""TXT record of a name, as dkimpy asks for it: `lookup(b"s._domainkey.x.", timeout=5)`; None where
there is none. Raises DnsUnavailable, TimeoutError or OSError where the DNS does not answer."""

SECRET_LINE = re.compile(r"^[ \t]*secret[ \t]*[:=][ \t]*(\S{1,200})[ \t]*$", re.I | re.M)
_ANY_SECRET_LINE = re.compile(r"^[ \t]*secret[ \t]*[:=][^\r\n]*$", re.I | re.M)
_TO = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")
_MOST_SIGNATURES = 4
_ALWAYS_SIGNED = ("from", "subject")
_SIGNED_IF_PRESENT = ("date", "message-id", "content-type", "content-transfer-encoding")
"""What decides how a mail is read, and whether it came before."""
_ALGORITHMS = frozenset({"rsa-sha256", "ed25519-sha256"})
"""RFC 8301: rsa-sha1 proves nothing."""
_SMALLEST_KEY_BITS = 1024
_LONGEST_SIGNATURE = 8_000
_LONGEST_BLANK = 400
"""Blanks in a row; the time of the verification grows with the square of their number."""
_BLANKS = bytes.maketrans(b"\t", b" ")
_WHITE = re.compile(r"\s+")


def verify_sender(
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
            good, why = signed_by(raw, message, sender, lookup)
            return good, why if good or not reason else f"{reason}; {why}"
        return False, reason or "no secret is agreed with this sender"

    return prove


def signed_by(
    raw: bytes, message: Message, sender: str, lookup: DnsLookup | None = None
) -> tuple[bool, str]:
    """Whether a DKIM signature of the From domain (or of a domain above it) holds, and why.

    Raises
    ------
    DnsUnavailable : no signature holds, and the key of one could not be asked for
    """
    try:
        import dkim
    except ImportError as error:
        raise ConfigError(
            "mail.verify_dkim is on, but dkimpy is not installed.",
            cure="Install it with: pip install 'astran[dkim]'",
        ) from error
    domain = sender.rpartition("@")[2]
    if b" " * _LONGEST_BLANK in raw.translate(_BLANKS):
        return False, f"{_LONGEST_BLANK} blanks in a row: no DKIM signature is looked at"
    reason = f"no DKIM signature of {domain}"
    asked = _Asking(lookup or look_up_txt)
    for number, tags in enumerate(_signatures(message)):
        if number >= _MOST_SIGNATURES:
            break
        signer = tags.get("d", "").lower().rstrip(".")
        if not _aligned(signer, domain):
            continue
        if fault := _weakness(tags, message):
            reason = f"the DKIM signature of {signer} {fault}"
            continue
        try:
            verifier = dkim.DKIM(raw, logger=_SILENT, minkey=_SMALLEST_KEY_BITS, timeout=5)
            good = verifier.verify(number, dnsfunc=asked)
        except (dkim.DKIMException, ValueError, OSError) as error:
            reason = f"the DKIM signature of {signer} cannot be verified: {error}"
            continue
        if good:
            return True, f"DKIM signature of {signer}"
        reason = f"the DKIM signature of {signer} does not hold"
    if asked.trouble:
        raise DnsUnavailable(f"The DNS does not tell the key of {domain}: {asked.trouble}")
    return False, reason


def look_up_txt(name: bytes, timeout: float = 5) -> bytes | None:
    """The TXT record of a name; None where the DNS says that there is none, or the name is no name.

    Raises
    ------
    DnsUnavailable : no answer, or none but failures of the servers
    """
    import dns.exception
    import dns.resolver

    try:
        found = dns.resolver.resolve(
            name.decode("ascii"), "TXT", lifetime=timeout, raise_on_no_answer=False
        )
    except (
        dns.exception.Timeout,
        dns.resolver.NoNameservers,
        dns.resolver.NoResolverConfiguration,
        OSError,
    ) as error:
        raise DnsUnavailable(str(error)) from error
    except (dns.exception.DNSException, UnicodeError):
        return None
    return next((b"".join(record.strings) for record in found.rrset or ()), None)


class _Asking:
    """Asks the DNS for dkimpy, and remembers that it did not answer."""

    def __init__(self, lookup: DnsLookup) -> None:
        self._lookup = lookup
        self.trouble = ""

    def __call__(self, name: bytes, timeout: float = 5) -> bytes | None:
        try:
            return self._lookup(name, timeout=timeout)
        except (DnsUnavailable, OSError) as error:
            self.trouble = str(error) or type(error).__name__
            return None


def _weakness(tags: Mapping[str, str], message: Message) -> str:
    """Why a signature is no proof even if it holds; empty where it would be one."""
    if "l" in tags:
        return "covers only a part of the mail"
    if (algorithm := tags.get("a", "").lower()) not in _ALGORITHMS:
        return f"is made with {algorithm or 'no algorithm'}, which is no proof"
    covered = {name.lower() for name in tags.get("h", "").split(":")}
    wanted = [*_ALWAYS_SIGNED, *(name for name in _SIGNED_IF_PRESENT if values(message, name))]
    if left_out := [name.title() for name in wanted if name not in covered]:
        return f"does not cover {', '.join(left_out)}"
    return ""


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
        if len(header) > _LONGEST_SIGNATURE:
            yield {}
            continue
        pairs = (piece.partition("=") for piece in header.split(";"))
        yield {name.strip(): _WHITE.sub("", text) for name, _, text in pairs if name.strip()}


def _aligned(signer: str, domain: str) -> bool:
    return "." in signer and (signer == domain or domain.endswith(f".{signer}"))


def _knows_secret(message: Message, sender: str, settings: MailSettings) -> bool:
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
