"""Driving `astran-launcher` tick by tick, as cron does on a real installation."""

from __future__ import annotations

import email
import email.policy
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import AstranError, ProcessError
from astran.base.process import Completed, run_command
from astran.demo.demo_folder import USER, DemoFolder
from astran.demo.servers import Delivered, MailServers

_TICK_TIMEOUT = 300.0
_PAUSE = 1.0
_FIRST_ANALYSIS = "A1"
_PATIENCE = 5
"""So many failing ticks in a row end the demo."""


@dataclass(frozen=True, slots=True)
class TickAnswer:
    """A mail from ASTRAN in the user's mailbox."""

    mail: Delivered
    kind: str
    """confirmation, problems, report and so on: the first word of its Message-ID."""
    subject: str
    text: str

    @classmethod
    def read(cls, mail: Delivered) -> TickAnswer:
        message = email.message_from_bytes(mail.raw, policy=email.policy.default)
        body = message.get_body(("plain",))
        return cls(
            mail=mail,
            kind=str(message["Message-ID"]).strip("<> ").partition(".")[0],
            subject=str(message["Subject"]),
            text=str(body.get_content()) if body else "",
        )


class Launcher:
    """Ticks, one after the other, until a wanted mail has come."""

    def __init__(self, files: DemoFolder, servers: MailServers, clock: Clock) -> None:
        self._files, self._servers, self._clock = files, servers, clock
        self._failing = 0

    def answers(self) -> list[TickAnswer]:
        """All mails that the user has got."""
        return [TickAnswer.read(mail) for mail in self._servers.inbox(USER)]

    def until(
        self,
        wanted: str,
        fatal: frozenset[str],
        timeout: float,
        each_tick: Callable[[], None] = lambda: None,
    ) -> TickAnswer:
        """Tick until a mail of the wanted kind is in the user's mailbox.

        Parameters
        ----------
        fatal : kinds of mails after which the wanted one will not come
        timeout : [s]
        each_tick : called after every tick, for a progress display

        Raises
        ------
        AstranError : a mail of a fatal kind came instead, the launcher keeps failing, or the time
            is over; the text names the logs
        """
        seen = len(self.answers())
        deadline = self._clock.now().timestamp() + timeout
        while True:
            self._tick()
            each_tick()
            for answer in self.answers()[seen:]:
                seen += 1
                if answer.kind == wanted:
                    return answer
                if answer.kind in fatal:
                    raise AstranError(
                        f"Instead of the expected mail ({wanted}) came “{answer.subject}”:\n"
                        f"{answer.text.strip()}\n",
                        self._where(),
                    )
            if self._clock.now().timestamp() > deadline:
                raise AstranError(
                    f"No mail of the kind “{wanted}” came within {timeout:.0f} s.", self._where()
                )
            self._clock.sleep(_PAUSE)

    def cancel(self) -> None:
        """Stop the analysis, so that no task goes on after an interrupted demo."""
        with suppress(ProcessError):
            self._command("astran", "astran.cli.main", "cancel", _FIRST_ANALYSIS)

    def _command(self, name: str, module: str, *words: str) -> Completed:
        program = Path(sys.executable).parent / name
        # from a source checkout without installed commands the module does the same
        start = [str(program)] if program.exists() else [sys.executable, "-m", module]
        argv = [*start, *words, "--site", str(self._files.site)]
        done = run_command(argv, timeout=_TICK_TIMEOUT, check=False)
        with self._files.launcher_log.open("a") as log:
            log.write(done.stdout + done.stderr)
        return done

    def _tick(self) -> None:
        done = self._command("astran-launcher", "astran.cli.launcher")
        self._failing = self._failing + 1 if done.returncode else 0
        if self._failing >= _PATIENCE:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise AstranError(
                f"astran-launcher failed {_PATIENCE} times in a row: {' '.join(said)}",
                self._where(),
            )

    def _where(self) -> str:
        return f"See {self._files.launcher_log} and the task logs in {self._files.analysis}/*/log/."
