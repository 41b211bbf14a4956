"""Settings of the mailbox: servers, who may ask, for how much, and how senders are verified."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from astran.config.model import Settings
from astran.config.secrets import Secret

MICROSOFT_365 = "microsoft365"
ICLOUD = "icloud"
"""As `authserv_id`: providers whose Authentication-Results headers are of a form of their own."""


class Security(StrEnum):
    """How a mail connection is protected."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class Auth(StrEnum):
    """How ASTRAN logs in."""

    PASSWORD = "password"
    XOAUTH2 = "xoauth2"


class Server(Settings):
    """A mail server and the log-in to it."""

    host: str = Field(description="Host name of the server.", examples=["mail.institute.example"])
    port: int = Field(
        ge=1,
        le=65535,
        description="Port number: usually 993 for IMAP, 465 for SMTP (587 with starttls).",
        examples=[993],
    )
    security: Security = Field(
        Security.TLS, description="tls, starttls, or none (only on the same machine)."
    )
    user: str = Field(
        "",
        description="Log-in name; empty: no log-in for SMTP, the mailbox's address for IMAP.",
        examples=["astran@institute.example"],
    )
    password: Secret | None = Field(
        None,
        description="Where the password is: env, file (mode 0600) or command; never in here.",
        examples=[{"file": "~/.config/astran/password"}],
    )
    auth: Auth = Field(
        Auth.PASSWORD,
        description="password, or xoauth2 (Gmail, Microsoft 365): `password` then leads to an "
        "OAuth2 access token, as a rule by a command that prints a fresh one.",
    )
    ca_file: Path | None = Field(
        None, description="Certificate file to trust, for servers with a private certificate."
    )
    timeout: float = Field(20.0, gt=0, description="Longest wait for any answer [s].")

    @model_validator(mode="after")
    def _plain_only_here(self) -> Server:
        here = self.host in ("localhost", "::1") or self.host.startswith("127.")
        if self.security is Security.NONE and not here:
            raise ValueError(
                "security: none is only accepted for a server on this machine; use tls or starttls"
            )
        return self


class Quotas(Settings):
    """How much may be asked for; what goes beyond is refused with the reason.

    Addresses that differ by `+tag`, dots or case are one sender.
    """

    live_per_user: int = Field(20, ge=1, description="Analyses under way at once, per sender.")
    live_per_domain: int = Field(
        80, ge=1, description="Analyses under way at once, of all senders of one domain."
    )
    live_total: int = Field(100, ge=1, description="Analyses under way at once, of all senders.")
    launches_per_user: int = Field(50, ge=1, description="Launches in 24 hours, per sender.")
    launches_per_domain: int = Field(
        150, ge=1, description="Launches in 24 hours, of all senders of one domain."
    )
    launches_total: int = Field(200, ge=1, description="Launches in 24 hours, of all senders.")
    orders_per_user: int = Field(10, ge=1, description="Standing orders in force, per sender.")
    nights_per_request: int = Field(
        731, ge=1, description="Nights of one request, each target by itself."
    )
    nights_without_question: int = Field(
        31,
        ge=0,
        description="Nights with data of one request that start without its sender's GO.",
    )
    core_hours_without_question: float = Field(
        1000.0,
        ge=0,
        description="Cost of several nights up to which they start without their sender's GO "
        "[core hours].",
    )
    refusals_per_user: int = Field(
        30,
        ge=1,
        description="Answers in 24 hours to one sender that say no; beyond them there is silence, "
        "and the operator is told once.",
    )
    refusals_per_domain: int = Field(
        20, ge=1, description="The same to all senders of one domain who may not ask."
    )
    mails_per_recipient: int = Field(
        200, ge=1, description="Mails in 24 hours to one address; further ones wait."
    )


class MailSettings(Settings):
    """The mailbox that takes requests, and who may send them."""

    address: str = Field(
        description="Address of the service's own mailbox.", examples=["astran@institute.example"]
    )
    name: str = Field("ASTRAN", description="Name shown as sender.")
    aliases: tuple[str, ...] = Field((), description="Further addresses of the same mailbox.")
    imap: Server = Field(
        description="IMAP server of the mailbox.", examples=[{"user": "astran@institute.example"}]
    )
    smtp: Server = Field(
        description="Submission server of the same provider.",
        examples=[{"port": 465, "user": "astran@institute.example"}],
    )
    folder: str = Field("INBOX", description="Folder in which requests arrive.")
    processed: str = Field("ASTRAN/Processed", description="Folder for mails that were taken.")
    rejected: str = Field("ASTRAN/Rejected", description="Folder for refused mails.")
    quarantine: str = Field(
        "ASTRAN/Quarantine", description="Folder for mails whose sender could not be verified."
    )
    sent: str = Field("ASTRAN/Sent", description="Folder for copies of ASTRAN's own mails.")
    allow: tuple[str, ...] = Field(
        (),
        description="Who may launch: addresses, or whole domains written @institute.example.",
        examples=[["shifter@institute.example", "@observatory.example"]],
    )
    alert_senders: tuple[str, ...] = Field(
        (),
        description="Who may ask for `priority: alert`, beside the operator: addresses, or whole "
        "domains written @institute.example.",
        examples=[["burst-advocate@institute.example"]],
    )
    accounts: dict[str, str] = Field(
        {},
        description="Account to be charged, by sender: an address, or a whole domain written "
        "@institute.example; others use that of the scheduler's settings.",
        examples=[{"shifter@institute.example": "gamma-1", "@observatory.example": "guests"}],
    )
    quotas: Quotas = Field(Quotas(), description="How much may be asked for.")
    operator: str = Field(
        "",
        description="Address that is told about faults of the service.",
        examples=["operator@institute.example"],
    )
    daily_digest: bool = Field(
        False,
        description="Tell the operator once a day about requests, failures, quarantine, disk and "
        "queue.",
    )
    standstill_h: float = Field(
        6.0,
        ge=0.5,
        le=168,
        description="Time without any step after which requester and operator are told why an "
        "analysis does not move, once and then daily [h].",
    )
    authserv_id: str = Field(
        "",
        description="Name by which the mail server signs its Authentication-Results header; "
        "only mails with a DMARC pass from it are believed. `microsoft365` and `icloud` stand for "
        "these providers, whose headers are of a form of their own.",
        examples=["mail.institute.example"],
    )
    own_hosts: tuple[str, ...] = Field(
        (),
        description="Further domains of servers through which mail comes into the mailbox: that "
        "header counts only above the first Received line of any other server. Those of the "
        "mailbox's address, of authserv_id and of the servers above are known.",
        examples=[["relay.observatory.example"]],
    )
    lists: tuple[str, ...] = Field(
        (),
        description="List-Ids of groups or mailing lists through which requests may come; mails of "
        "all other lists are never answered.",
        examples=[["astran.institute.example"]],
    )
    suppress_all_is_automatic: bool = Field(
        True,
        description="Take a mail with `X-Auto-Response-Suppress: All` for a program's. Set to "
        "false where a rule of the mail server writes that on people's mail; with other values "
        "the header never matters.",
    )
    readers: tuple[str, ...] = Field(
        (),
        description="Who may get a copy of a report by `cc:`, beside those who may launch: "
        "addresses, or whole domains written @institute.example.",
        examples=[["@collaboration.example"]],
    )
    max_age_days: float = Field(
        7.0,
        gt=0,
        description="With verify_dkim: an older signed mail, by its Date, starts and changes "
        "nothing, for it may be a copy that somebody kept; its sender is asked to send it again.",
    )
    verify_dkim: bool = Field(
        False,
        description="Where authserv_id is empty because the mail server stamps nothing: verify "
        "DKIM signatures here (needs dkimpy and DNS). A signature of the From domain is believed "
        "that covers From, Subject, Date, Message-ID, Content-Type and Content-Transfer-Encoding, "
        "as far as they are there; providers that leave one of them out need a secret.",
    )
    secrets: dict[str, Secret] = Field(
        {},
        description="Where authserv_id is empty: secret by sender's address. A mail is believed "
        "that holds it, as a line `secret: …` or in the address, as in astran+SECRET@….",
        examples=[{"shifter@institute.example": {"file": "~/.config/astran/secret-shifter"}}],
    )
    trust_from: bool = Field(
        False,
        description="Believe the From line without authentication. Only for a mailbox that no "
        "stranger can reach.",
    )
    keep_copy: bool = Field(
        True,
        description="Send a blind copy of each mail to the own mailbox: after a crash it proves "
        "that a mail went out, so that none is sent twice.",
    )
    copy_grace_s: float = Field(
        45.0,
        ge=0,
        description="After a crash in mid-sending: how long that copy may take to arrive, before "
        "the mail is sent again [s].",
    )
    per_tick: int = Field(50, ge=1, description="At most so many new mails are taken per tick.")
    max_bytes: int = Field(5_000_000, ge=1000, description="Largest request mail [bytes].")
    max_report_bytes: int = Field(5_000_000, ge=100_000, description="Largest report mail [bytes].")

    @field_validator("address", "operator")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and value.count("@") != 1:
            raise ValueError("must be a mail address like astran@institute.example")
        return value

    @field_validator("accounts")
    @classmethod
    def _accounts(cls, value: dict[str, str]) -> dict[str, str]:
        for sender, account in value.items():
            if sender.count("@") != 1 or not re.fullmatch(r"[A-Za-z0-9_.+-]+", account):
                raise ValueError(f"{sender!r}: {account!r} is no Slurm account of a sender")
        return {sender.lower(): account for sender, account in value.items()}

    def account_of(self, address: str) -> str:
        """Slurm account of a sender; empty: the site's own."""
        address = address.lower()
        domain = "@" + address.rpartition("@")[2]
        return self.accounts.get(address) or self.accounts.get(domain, "")

    @field_validator("secrets")
    @classmethod
    def _lower(cls, value: dict[str, Secret]) -> dict[str, Secret]:
        return {address.lower(): secret for address, secret in value.items()}

    @field_validator("lists")
    @classmethod
    def _lists(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(entry.strip().strip("<>").lower() for entry in value)

    @field_validator("allow", "readers", "alert_senders")
    @classmethod
    def _allow(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if entry.count("@") != 1:
                raise ValueError(
                    f"{entry!r} is neither an address nor a domain; write name@host or @host"
                )
        return tuple(entry.lower() for entry in value)
