"""`astran check-mail FILE.eml …`: what ASTRAN would do with stored mails, without doing it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astran.base.errors import ConfigError
from astran.base.night import Night
from astran.cli.common import Exit, add_site_option
from astran.config.model import build_settings
from astran.config.site import MailSettings, Security, SiteConfig
from astran.config.yaml_files import load_site, site_path
from astran.launch_language.resolve import describe_resolved
from astran.mail.parsing.headers import HEADER_BYTES, read_headers
from astran.mail.parsing.mail_facts import MailFacts
from astran.service.intake.decision import Decision, MailOutcome, decide_from_headers, decide_mail
from astran.service.intake.software_check import check_with_software
from astran.telescopes.registry import register_chains

_NO_ADDRESS = "astran@localhost"
_EPILOG = """\
outcomes: launch, command, confirm, ignore, error_reply, refuse, quarantine, wait

With --json each line is one object: file, outcome, sender, params (what the mail says), config (the
resolved configuration), problems, replied (whether the sender would get an answer).

Rules come from the site configuration (--site, or where ASTRAN finds one) as long as none is given
here. Without --authserv-id the From line is believed, because nothing tells whom the mail server
would have vouched for.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Say what ASTRAN would do with stored mails, without doing it."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs="+", metavar="FILE.eml", help="mails as they were received")
    parser.add_argument("--json", action="store_true", help="one JSON object per mail")
    parser.add_argument(
        "--allow",
        action="append",
        metavar="ADDR|@DOMAIN",
        help="who may launch: an address or a whole domain; may be repeated",
    )
    parser.add_argument(
        "--authserv-id",
        metavar="ID",
        help="name of the mail server in Authentication-Results; microsoft365 or icloud for these "
        "providers",
    )
    parser.add_argument(
        "--list",
        action="append",
        metavar="LIST-ID",
        dest="lists",
        help="a group or mailing list through which requests may come; may be repeated",
    )
    parser.add_argument(
        "--own-address",
        action="append",
        metavar="ADDR",
        help="an address of the service's own mailbox; may be repeated",
    )
    parser.add_argument(
        "--remember",
        action="store_true",
        help="take the files as one mailbox: a mail that came before does not act again",
    )
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Judge each file; 2 where one cannot be read."""
    site = _site(args)
    rules = _rules(args, site)
    telescope = site.telescope if site else ""
    register_chains(site.chains if site else {})
    today = Night.of(datetime.now(UTC))
    memory = _Memory() if args.remember else None
    code = Exit.OK
    for name in args.files:
        try:
            decision, message = _judge(Path(name), rules, today, telescope)
            if site is not None:
                # as the launcher does; here no answer of an environment is kept
                decision = check_with_software(site, decision, keep=False)
        except OSError as error:
            print(f"astran check-mail: {name}: {error.strerror}", file=sys.stderr)
            code = Exit.USAGE
            continue
        replied = decision.outcome.replied
        if memory is not None:
            decision, replied = memory.apply(decision, message)
        if args.json:
            print(json.dumps(as_json(name, decision, replied), ensure_ascii=True), flush=True)
        else:
            print(_in_words(name, decision, replied), flush=True)
    return code


def as_json(file: str, decision: Decision, replied: bool) -> dict[str, Any]:
    """One line of the output."""
    params = dict(decision.params)
    if params:
        params.setdefault("runs", None)
    return {
        "file": file,
        "outcome": decision.outcome.value,
        "sender": decision.sender,
        "params": params,
        "config": describe_resolved(decision.config, decision.params) if decision.config else None,
        "problems": [str(problem) for problem in decision.problems],
        "replied": replied,
        "command": decision.command.value if decision.command else None,
        "reason": decision.reason,
    }


class _Memory:
    """What earlier files leave behind: mails that are known, strangers who were refused."""

    def __init__(self) -> None:
        self._acted: set[tuple[str, str]] = set()
        self._answered: set[tuple[str, str]] = set()
        self._refused: set[str] = set()

    def apply(self, decision: Decision, facts: MailFacts) -> tuple[Decision, bool]:
        key = (facts.message_id, decision.sender)
        if not decision.outcome.replied:
            return decision, False
        if decision.acts and key[0] and key in self._acted:
            again = replace(decision.judgement, reason="known already: not acted upon again")
            return replace(decision, outcome=MailOutcome.IGNORE, judgement=again), False
        if decision.acts:
            self._acted.add(key)
        if decision.outcome is not MailOutcome.REFUSE:
            # the same answer to the same mail is sent once
            first = not key[0] or key not in self._answered
            self._answered.add(key)
            return decision, first or decision.acts
        first = decision.sender not in self._refused
        self._refused.add(decision.sender)
        return decision, first


def _judge(
    path: Path, rules: MailSettings, today: Night, telescope: str
) -> tuple[Decision, MailFacts]:
    """As the launcher does: by headers and size where they are enough, else by the whole mail."""
    size = path.stat().st_size
    with path.open("rb") as file:
        facts = MailFacts(read_headers(file.read(HEADER_BYTES)))
        decision = decide_from_headers(facts, size, rules)
        if decision is None:
            file.seek(0)
            decision = decide_mail(file.read(), rules, today, telescope=telescope)
    return decision, facts


def _site(args: argparse.Namespace) -> SiteConfig | None:
    """The site, if there is one, unless the command line brings rules of its own instead."""
    if _given(args) and not args.site:
        return None
    try:
        path = site_path(args.site)
    except ConfigError:
        print("No site configuration and no --allow: nobody may launch.", file=sys.stderr)
        return None
    return load_site(path)


def _given(args: argparse.Namespace) -> bool:
    return bool(args.allow or args.authserv_id or args.own_address or args.lists)


def _rules(args: argparse.Namespace, site: SiteConfig | None) -> MailSettings:
    """The rules on the command line, above those of the site if there is one."""
    given = _given(args)
    base = _without_site() if site is None else _of_the_site(site)
    if args.own_address:
        base["address"], *base["aliases"] = args.own_address
    if args.allow:
        base["allow"] = args.allow
    if args.lists:
        base["lists"] = args.lists
    if args.authserv_id:
        base["authserv_id"] = args.authserv_id
    elif base["address"] == _NO_ADDRESS or (given and not args.site):
        base["trust_from"] = True
        print("No --authserv-id: the From line is believed.", file=sys.stderr)
    return build_settings(MailSettings, base, "The rules")


def _of_the_site(site: SiteConfig) -> dict[str, Any]:
    if site.mail is None:
        raise ConfigError("This site has no mailbox.", cure="Fill in `mail`, or use --allow.")
    return site.mail.model_dump()


def _without_site() -> dict[str, Any]:
    nowhere = {"host": "localhost", "port": 1, "security": Security.NONE}
    return {"address": _NO_ADDRESS, "imap": nowhere, "smtp": nowhere}


def _in_words(name: str, decision: Decision, replied: bool) -> str:
    lines = [f"{name}: {decision.outcome.value}"]
    lines.append(f"  sender    {decision.sender or 'not clear'} ({decision.reason})")
    if decision.command is not None:
        lines.append(f"  command   {decision.command.value}")
    lines += [f"  {key:<9} {value}" for key, value in decision.params.items()]
    lines += [f"  problem   {problem}" for problem in decision.problems]
    lines.append(f"  answered  {'yes' if replied else 'no'}")
    return "\n".join(lines)
