"""Every letter that ASTRAN writes, one method for each kind.

The answer stands in the first line, text and HTML say the same, and the footer explains what can
be asked for in reply. Nothing in a letter is fetched from elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from email.message import EmailMessage

from astran.base.errors import Problem
from astran.base.states import AnalysisState
from astran.base.tasks import Plan
from astran.base.text import count_noun, one_line, strip_control
from astran.config.analysis import AnalysisConfig, AtDeadline
from astran.mail.letters import content, report_parts
from astran.mail.letters.composer import config_file, cut, footer_commands, moment
from astran.mail.letters.content import ExecutionStats, Tone
from astran.mail.letters.mime import Thread
from astran.mail.letters.standing_order_letters import OrderLetters
from astran.report.model import Report
from astran.report.tables import TableRow

EXAMPLE = "target: Crab\ndate: 20231207"


class Letters(OrderLetters):
    """Writes letters in the name of one mailbox.

    In every method `n` counts letters of the same kind in the same matter, and `thread` says to
    whom and in answer to what. Equal arguments give an equal Message-ID. The clock gives the
    letters their dates.
    """

    def confirmation(
        self,
        thread: Thread,
        request_id: str,
        config: AnalysisConfig,
        *,
        config_yaml: str = "",
        explicit: Collection[str] = (),
        plan_notes: Sequence[str] = (),
        stats: ExecutionStats | None = None,
        since: str = "",
        expected: str = "",
        n: int = 1,
    ) -> EmailMessage:
        """The request was taken: the resolved configuration, and how to ask for more.

        `explicit` holds the dotted names that the requester set; the rest are defaults. `since`
        says what has happened to it in the meantime, if it is not on its way; `expected` when its
        report is to be expected.
        """
        rows = content.describe_settings(config, explicit)
        return self._letter(
            "confirmation",
            thread,
            headline=f"{content.analysis_title(config)}: request {request_id} accepted",
            state=f"accepted: {content.analysis_title(config)}",
            request_id=request_id,
            n=n,
            enclosures=[config_file(config, config_yaml)],
            chosen=[row for row in rows if row.chosen],
            defaults=[row for row in rows if not row.chosen],
            plan_notes=list(plan_notes),
            stats=content.describe_load(stats) if stats else [],
            since=cut(since, 2000),
            expected=one_line(expected, 400),
            config_name=config_file(config, config_yaml).name,
        )

    def problems(
        self,
        thread: Thread,
        problems: Sequence[Problem],
        written: str,
        example: str = EXAMPLE,
        *,
        offered: bool = False,
        n: int = 1,
    ) -> EmailMessage:
        """The request cannot be used: every problem at its line, and an example that works; an
        offered one is the request itself, corrected."""
        shown = content.describe_transcript(written, problems)
        marked = {line.number for line in shown if line.problems}
        many = count_noun(len(problems), "problem")
        return self._letter(
            "problems",
            thread,
            headline=f"Nothing was started: {many} in your request",
            state=f"not started: {many}",
            tone=Tone.BAD,
            n=n,
            written=shown if marked else [],
            others=[
                (one_line(p.where, 60), one_line(f"{p.reason} {p.suggestion}", 400))
                for p in problems
                if p.line not in marked
            ],
            example=cut(example, 4000),
            offered=offered,
        )

    def waiting(
        self,
        thread: Thread,
        request_id: str,
        config: AnalysisConfig,
        missing: Sequence[str],
        deadline: datetime | None = None,
        *,
        there: Sequence[int] = (),
        n: int = 1,
    ) -> EmailMessage:
        """The analysis waits for data that are not there yet; those of the runs `there` are."""
        return self._letter(
            "waiting",
            thread,
            headline=f"{content.analysis_title(config)}: waiting for data",
            state=f"waiting for data: {content.analysis_title(config)}",
            request_id=request_id,
            tone=Tone.PART,
            n=n,
            missing=list(missing),
            deadline=moment(deadline),
            there=", ".join(map(str, there)),
            partial=config.waiting.at_deadline is AtDeadline.PARTIAL,
        )

    def status(
        self,
        thread: Thread,
        request_id: str,
        headline: str,
        facts: Sequence[tuple[str, str]],
        *,
        columns: Sequence[str] = (),
        rows: Sequence[TableRow] = (),
        notes: Sequence[str] = (),
        n: int = 1,
    ) -> EmailMessage:
        """How an analysis is going, or (with no request id) a list of all of them."""
        return self._letter(
            "status",
            thread,
            headline=headline,
            state=f"status: {headline}",
            request_id=request_id,
            n=n,
            facts=list(facts),
            columns=list(columns),
            rows=list(rows),
            notes=list(notes),
        )

    def decision(
        self,
        thread: Thread,
        request_id: str,
        config: AnalysisConfig,
        what: str,
        held: Sequence[TableRow],
        *,
        n: int = 1,
    ) -> EmailMessage:
        """Jobs are held and somebody has to decide; `held` has task and reason of each."""
        return self._letter(
            "decision",
            thread,
            headline=f"{content.analysis_title(config)}: {what}",
            state=f"needs a decision: {content.analysis_title(config)}",
            request_id=request_id,
            tone=Tone.PART,
            n=n,
            generated=True,
            columns=("Job", "Reason"),
            held=list(held),
        )

    def cancelled(
        self,
        thread: Thread,
        request_id: str,
        config: AnalysisConfig,
        facts: Sequence[tuple[str, str]] = (),
        *,
        folder: str = "",
        n: int = 1,
    ) -> EmailMessage:
        """The analysis was stopped on request."""
        return self._letter(
            "cancelled",
            thread,
            headline=f"{content.analysis_title(config)}: cancelled",
            state=f"cancelled: {content.analysis_title(config)}",
            request_id=request_id,
            n=n,
            commands=footer_commands(request_id, AnalysisState.CANCELLED),
            facts=list(facts),
            folder=folder,
        )

    def help(
        self,
        thread: Thread,
        *,
        reason: str = "",
        keys: Sequence[tuple[str, str]] = (),
        example: str = EXAMPLE,
        n: int = 1,
    ) -> EmailMessage:
        """How to ask: an example, the parameters (name, meaning) and the commands."""
        return self._letter(
            "help",
            thread,
            headline="How to ask ASTRAN for an analysis",
            state="help",
            n=n,
            reason=cut(reason, 2000),
            keys=list(keys),
            example=cut(example, 4000),
        )

    def refusal(self, thread: Thread, reason: str, *, n: int = 1) -> EmailMessage:
        """One courteous no: the sender may not ask, or may not ask for so much."""
        return self._letter(
            "refusal",
            thread,
            headline="Your request was not accepted",
            state="not accepted",
            tone=Tone.BAD,
            n=n,
            reason=cut(reason, 2000),
            contact=self._mail.operator,
            commands=(),
        )

    def notice(
        self, thread: Thread, title: str, text: str, *, request_id: str = "", n: int = 1
    ) -> EmailMessage:
        """A short message; empty lines in `text` part its paragraphs."""
        return self._letter(
            "notice",
            thread,
            headline=title,
            state=title,
            request_id=request_id,
            n=n,
            paragraphs=[p for p in cut(text, 8000).split("\n\n") if p.strip()],
        )

    def fault(self, thread: Thread, request_id: str, short: str, *, n: int = 1) -> EmailMessage:
        """ASTRAN itself stumbled: the requester is told, the operator gets the details."""
        about = f"request {request_id}" if request_id else "your mail"
        return self._letter(
            "fault",
            thread,
            headline=f"ASTRAN ran into an internal fault with {about}",
            state="internal fault",
            request_id=request_id,
            tone=Tone.BAD,
            n=n,
            short=cut(short, 2000),
            contact=self._mail.operator,
        )

    def operator(
        self,
        subject: str,
        text: str,
        context: Sequence[tuple[str, str]] = (),
        *,
        seed: str = "",
        n: int = 1,
    ) -> EmailMessage:
        """For the operator: what went wrong, with everything that is known (traceback, log).

        `seed` tells one occasion from another (see `Thread.seed`).

        Raises
        ------
        MailError : the site names no operator
        """
        return self._letter(
            "operator",
            Thread(self._mail.operator, seed=seed or f"{subject}\0{text}"),
            headline=one_line(subject),
            state=f"operator: {subject}",
            tone=Tone.BAD,
            n=n,
            generated=True,
            commands=(),
            context=list(context),
            text=strip_control(text)[-20_000:].strip("\n"),
        )

    def report(self, thread: Thread, report: Report, *, n: int = 1) -> EmailMessage:
        """The result, partial result or failure of an analysis, at most `max_report_bytes` long.

        Plots that do not fit are left out from the last to the first, then attachments; the
        letter names each and says where it lies.
        """
        mark = "SIMULATED " if report.simulated or self._simulated else ""
        # several nights have no configuration that would make them by hand
        files = [] if report.nights.title else [config_file(report.config)]

        def write(parts: report_parts.ReportParts) -> EmailMessage:
            return self._letter(
                "report",
                thread,
                headline=report.answer,
                state="",
                subject=f"{mark}{report.short_answer}",
                request_id=report.request_id,
                tone=report_parts.TONES.get(report.state, Tone.CALM),
                n=n,
                generated=True,
                simulated=bool(mark),
                commands=footer_commands(report.request_id, report.state),
                pictures=parts.pictures,
                enclosures=[*parts.enclosures, *files],
                report=report,
                parts=parts,
                **report_parts.sections(report),
                attached=[
                    *(p.name for p in parts.plots),
                    *(e.name for e in (*parts.enclosures, *files)),
                ],
                config_name=files[0].name if files else "",
            )

        return report_parts.fit_into_size(write, report, self._mail)

    def plan(
        self,
        thread: Thread,
        config: AnalysisConfig,
        plan: Plan,
        explicit: Collection[str] = (),
        *,
        n: int = 1,
    ) -> EmailMessage:
        """The plan of an analysis that was not started."""
        number = count_noun(len(plan.tasks), "task")
        return self._letter(
            "plan",
            thread,
            headline=f"{content.analysis_title(config)}: {number} planned, nothing was started",
            state=f"plan: {content.analysis_title(config)}",
            n=n,
            enclosures=[config_file(config)],
            chosen=[row for row in content.describe_settings(config, explicit) if row.chosen],
            stages=content.describe_stages(plan),
            left_out=[f"Run {run}: {why}" for run, why in plan.left_out],
            notes=list(plan.notes),
            config_name=config_file(config).name,
        )

    def digest(
        self, due: datetime, rows: Sequence[TableRow], number: int, *, n: int = 1
    ) -> EmailMessage:
        """For the operator, once a day: mails that got no answer, or a refusal.

        Raises
        ------
        MailError : the site names no operator
        """
        headline = f"{count_noun(number, 'mail')} of strangers or with an unverified sender"
        return self._letter(
            "digest",
            Thread(self._mail.operator, seed=f"digest {due.isoformat()}"),
            headline=headline,
            state=f"operator: {headline}",
            n=n,
            generated=True,
            commands=(),
            columns=("Received", "Verdict", "Sender", "Subject", "Reason"),
            rows=list(rows),
            quarantine=self._mail.quarantine,
            more=number - len(rows),
        )
