"""What becomes of a mail: the one function that decides, for the launcher and for `check-mail`.

Nothing is read or written here but the mail and the source catalogue. What depends on the store
(whether the mail is known already, whose analysis a command is about, quotas) is judged where the
decision is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

from astran.base.errors import ConfigError, DecisionTimeout, Problem
from astran.base.mail_commands import MailCommand, near_command
from astran.base.night import Night
from astran.base.text import one_line
from astran.catalogue.sources import find_redshift, resolve_source
from astran.config.analysis import AnalysisConfig
from astran.config.site import MailSettings
from astran.launch_language.commands import (
    analyses_after,
    asks_something,
    command_of,
    command_word,
    says_go,
)
from astran.launch_language.keys import keys_of
from astran.launch_language.parser import Parsed, parse, parse_agreeing
from astran.launch_language.resolve import example_launch, resolve_config, write_launch
from astran.mail.gate import Judgement, MailVerdict, classify_mail
from astran.mail.letters.mime import Thread
from astran.mail.parsing.headers import read_headers, read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.parsing.new_text import read_body
from astran.mail.senders.authentication_results import Proof
from astran.mail.senders.verification import verify_sender, without_secret
from astran.service.intake.cpu_limit import cpu_limit
from astran.service.intake.mail_problems import (
    problems_of_mail,
    problems_of_nights,
    problems_of_priority,
    problems_of_readers,
    too_old,
    written_at,
)

DECISION_LIMIT_S = 10.0
"""Computing time for one mail; an honest one takes some milliseconds."""


class MailOutcome(StrEnum):
    """What ASTRAN does with a mail."""

    LAUNCH = "launch"
    COMMAND = "command"
    CONFIRM = "confirm"
    """GO, in answer to a corrected request, or to what a large one will cost."""
    IGNORE = "ignore"
    ERROR_REPLY = "error_reply"
    REFUSE = "refuse"
    QUARANTINE = "quarantine"
    WAIT = "wait"
    """Who sent it cannot be told now: nothing is done, and it is asked again later."""

    @property
    def replied(self) -> bool:
        """Whether the sender is answered."""
        return self not in (MailOutcome.IGNORE, MailOutcome.QUARANTINE, MailOutcome.WAIT)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a mail, and everything that was found out on the way."""

    outcome: MailOutcome
    judgement: Judgement
    thread: Thread
    """The conversation that an answer would continue."""
    command: MailCommand | None = None
    about: int | None = None
    """The analysis that a command names: 12 for A12."""
    order: int | None = None
    """The standing order that a command names: 3 for S3."""
    text: str = ""
    """What the sender newly wrote."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """What the mail says, by dotted name."""
    config: AnalysisConfig | None = None
    """The resolved configuration; of a standing order that for its next night."""
    problems: tuple[Problem, ...] = ()
    example: str = ""
    """A correct text in place of one with problems."""
    offered: bool = False
    """Whether the example is the sender's own request, corrected: GO in reply starts it."""

    @property
    def acts(self) -> bool:
        """Whether anything is done but answering: a copy of such a mail must not do it again."""
        return self.outcome in (MailOutcome.LAUNCH, MailOutcome.COMMAND, MailOutcome.CONFIRM)

    @property
    def sender(self) -> str:
        return self.judgement.sender

    @property
    def reason(self) -> str:
        """Why, in words, where the headers alone decided."""
        return self.judgement.reason


_BY_VERDICT = {
    MailVerdict.OWN: MailOutcome.IGNORE,
    MailVerdict.BOUNCE: MailOutcome.IGNORE,
    MailVerdict.NOT_OURS: MailOutcome.IGNORE,
    MailVerdict.MACHINE: MailOutcome.IGNORE,
    MailVerdict.UNAUTHENTICATED: MailOutcome.QUARANTINE,
    MailVerdict.STRANGER: MailOutcome.REFUSE,
}


def decide_from_headers(facts: MailFacts, size: int, rules: MailSettings) -> Decision | None:
    """The decision that headers and size [bytes] allow; None where the whole mail must be read."""
    with _time_limit():
        return _by_headers(facts, size, rules, classify_mail(facts, rules))


def decide_mail(
    raw: bytes,
    rules: MailSettings,
    today: Night,
    proof: Proof | None = None,
    telescope: str = "",
    now: datetime | None = None,
) -> Decision:
    """The decision on a whole mail.

    A sender who cannot be verified in the time that one mail may take is not believed.

    Parameters
    ----------
    raw : the mail as it was received
    rules : who may ask, and how senders are verified
    today : the night that is going on, or the last one
    proof : verifies a sender where the headers alone do not; None: as the rules say
    telescope : of a request that names none; empty: the default
    now : for the age of signed mails; None: it does not matter

    Raises
    ------
    DecisionTimeout : reading the mail of a verified sender took more computing time than
        `DECISION_LIMIT_S`; nothing else is raised on content
    """
    try:
        with _time_limit():
            facts = MailFacts(read_message(raw))
            proof = proof or verify_sender(raw, facts.message, rules)
            judgement = classify_mail(facts, rules, proof)
    except DecisionTimeout as error:
        if unverified := _unverified_in_time(raw, rules, error):
            return unverified
        raise
    with _time_limit():
        by_headers = _by_headers(facts, len(raw), rules, judgement)
        if by_headers is not None:
            return by_headers
        if judgement.verdict is MailVerdict.UNSETTLED:
            return Decision(MailOutcome.WAIT, judgement, answer_to(facts))
        decision = _by_text(facts, judgement, rules, today, telescope)
        return _unless_old(decision, facts, rules, now) if now else decision


def _time_limit() -> AbstractContextManager[None]:
    reason = f"The mail took more than {DECISION_LIMIT_S:g} s of computing time to be read."
    return cpu_limit(DECISION_LIMIT_S, DecisionTimeout(reason, "Send the launch lines alone."))


def _unverified_in_time(raw: bytes, rules: MailSettings, error: DecisionTimeout) -> Decision | None:
    """The decision where it is unknown who sent the mail; None where the headers tell."""
    facts = MailFacts(read_headers(raw))
    judgement = classify_mail(facts, rules)
    if judgement.verdict is MailVerdict.UNSETTLED:
        judgement = Judgement(MailVerdict.UNAUTHENTICATED, judgement.sender, error.message)
    return _by_headers(facts, len(raw), rules, judgement)


def answer_to(facts: MailFacts) -> Thread:
    """The conversation that a mail began or continues."""
    own = facts.message_id
    return Thread(
        to=facts.sender,
        subject=facts.subject,
        in_reply_to=own or None,
        references=(*facts.references, *((own,) if own else ())),
    )


def _by_headers(
    facts: MailFacts, size: int, rules: MailSettings, judgement: Judgement
) -> Decision | None:
    thread = answer_to(facts)
    if judgement.verdict is MailVerdict.UNSETTLED and size > rules.max_bytes:
        # what is too large to be verified is not believed
        reason = f"larger than {rules.max_bytes} bytes, so its sender was not verified"
        judgement = Judgement(MailVerdict.UNAUTHENTICATED, judgement.sender, reason)
    if outcome := _BY_VERDICT.get(judgement.verdict):
        return Decision(outcome, judgement, thread)
    if judgement.verdict is MailVerdict.TAKE and size > rules.max_bytes:
        problem = Problem(
            "the mail",
            f"is too large: {size / 1e6:.1f} MB, at most {rules.max_bytes / 1e6:g} MB are read.",
            "Send it again without attachments.",
        )
        return Decision(MailOutcome.ERROR_REPLY, judgement, thread, problems=(problem,))
    return None


def _by_text(
    facts: MailFacts, judgement: Judgement, rules: MailSettings, today: Night, telescope: str
) -> Decision:
    body = read_body(facts.message)
    thread = answer_to(facts)
    if body.automatic:
        machine = Judgement(MailVerdict.MACHINE, judgement.sender, body.automatic)
        return Decision(MailOutcome.IGNORE, machine, thread)
    texts = [without_secret(text) for text in body.texts]
    text = texts[0] if texts else ""
    command, about, order = command_of(facts.subject, text, answers=body.answers)
    base = Decision(MailOutcome.COMMAND, judgement, thread, command, about, order, text)
    if body.answers and _asks_for_go(thread) and says_go(text):
        return replace(base, outcome=MailOutcome.CONFIRM, command=None, about=None, order=None)
    if command is None:
        return _in_free_words(base, body.answers, telescope)
    if not command.takes_parameters:
        return _about_one(base, body.answers)
    parsed = parse_agreeing(texts, telescope, written_at(facts, today))
    if parsed.empty and body.answers:
        # a word of thanks under "Re: ASTRAN-LAUNCH" is no launch
        return replace(base, outcome=MailOutcome.IGNORE, command=None)
    aside = next(
        (where for where, text in body.aside if parsed.empty and not parse(text, telescope).empty),
        "",
    )
    of_the_mail = [
        *problems_of_mail(body.damage, aside, thread),
        *problems_of_readers(parsed, rules),
        *problems_of_priority(parsed, judgement.sender, rules),
        *problems_of_nights(parsed, rules, command),
    ]
    parsed = replace(
        parsed,
        problems=(*parsed.problems, *of_the_mail),
        corrected=parsed.corrected and not of_the_mail,
    )
    try:
        config = resolve_config(parsed, resolve_source, today, telescope, find_redshift)
    except ConfigError as error:
        return replace(
            base,
            outcome=MailOutcome.ERROR_REPLY,
            params=parsed.params,
            problems=error.problems,
            **_correction(parsed, error.problems, command, today, telescope),
        )
    outcome = MailOutcome.LAUNCH if command is MailCommand.LAUNCH else MailOutcome.COMMAND
    return replace(base, outcome=outcome, params=parsed.params, config=config)


class _Correction(TypedDict):
    example: str
    offered: bool


def _correction(
    parsed: Parsed,
    problems: Sequence[Problem],
    command: MailCommand,
    today: Night,
    telescope: str,
) -> _Correction:
    """The sender's own request where every problem has one correction; else an example."""
    request = write_launch(parsed.params)
    mended = parsed.corrected and len(problems) == len(parsed.problems)
    again = parse(request, telescope)
    if not mended or again != replace(again, params=dict(parsed.params), problems=()):
        return {"example": example_launch(parsed), "offered": False}
    try:
        config = resolve_config(
            replace(parsed, problems=()), resolve_source, today, telescope, find_redshift
        )
    except ConfigError:
        return {"example": example_launch(parsed), "offered": False}
    # what only the software of the chain can judge was not judged here
    judged = not keys_of(config.telescope).of_software(parsed.params)
    return {"example": request, "offered": judged and command is MailCommand.LAUNCH}


def _unless_old(
    decision: Decision, facts: MailFacts, rules: MailSettings, now: datetime
) -> Decision:
    """The decision, unless the mail was signed so long ago that it may be a kept copy."""
    reason = too_old(facts, rules, now) if decision.acts else ""
    if not reason:
        return decision
    again = replace(decision, config=None, command=None)
    return _asked(again, Problem("the mail", reason, "Send it again."), example_launch())


_OF_ONE = (
    MailCommand.STATUS,
    MailCommand.CANCEL,
    MailCommand.HOLD,
    MailCommand.RELEASE,
    MailCommand.RETRY,
)


def _about_one(base: Decision, answers: bool) -> Decision:
    """The command with the analysis that the text names; more than one is asked about."""
    if base.command not in _OF_ONE or base.order is not None:
        return base
    named = analyses_after(base.thread.subject, base.text)
    if len(named) > 1:
        each = " and ".join(f"A{number}" for number in named[:5])
        problem = Problem(
            base.command,
            f"names {each}: one at a time, nothing was done.",
            "Send one mail for each.",
        )
        return _asked(base, problem, f"{base.command} A{named[0]}")
    if base.about is None and named and not answers:
        return replace(base, about=named[0])
    return base


def _in_free_words(base: Decision, answers: bool, telescope: str) -> Decision:
    """What becomes of a mail without a keyword, by somebody who may ask.

    A near miss of a keyword, and a wish in the thread of an analysis, get one answer that shows how
    to write it. Thanks get none, nor does an answer to such an answer: that may be a machine's.
    """
    if answers and (word := command_word(base.text)):
        return replace(base, command=word[0], about=word[1] or base.about)
    near = None if answers else near_command(base.thread.subject)
    wish = "" if near else asks_something(base.text)
    parsed = parse(base.text, telescope)
    if near is None and not wish and parsed.empty:
        # an answer that asks for nothing ("thanks!") gets no answer
        return replace(base, outcome=MailOutcome.IGNORE)
    if answers and parsed.empty and _answers_problems(base.thread):
        return replace(base, outcome=MailOutcome.IGNORE)
    about = f" A{base.about}" if base.about else ""
    if near:
        problem = Problem(
            one_line(base.thread.subject, 60),
            "is nearly a keyword, but not one.",
            f"Write {near} as the subject.",
        )
        example = f"{near} A12" if near in _OF_ONE else example_launch(parsed)
        return _asked(base, problem, example)
    problem = Problem(
        one_line(wish or "the mail", 60),
        "asks for something in free words, which is not acted upon.",
        "Begin an answer with ASTRAN-CANCEL, ASTRAN-STATUS or ASTRAN-RETRY, or send the whole "
        "request anew with ASTRAN-LAUNCH as its subject.",
    )
    return _asked(base, problem, f"ASTRAN-STATUS{about}")


def _answers_problems(thread: Thread) -> bool:
    """Whether the mail answers a letter that told its sender what is wrong."""
    return _answered(thread).startswith("<problems.")


def _asks_for_go(thread: Thread) -> bool:
    """Whether the mail answers a letter after which GO starts something."""
    return _answered(thread).startswith(("<problems.", "<data_set."))


def _answered(thread: Thread) -> str:
    """The Message-ID of the letter that a mail answers; empty: none."""
    others = [each for each in thread.references if each != thread.in_reply_to]
    return others[-1] if others else ""


def _asked(base: Decision, problem: Problem, example: str) -> Decision:
    return replace(base, outcome=MailOutcome.ERROR_REPLY, problems=(problem,), example=example)
