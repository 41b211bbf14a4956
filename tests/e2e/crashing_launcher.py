"""astran-launcher that dies, as by kill -9, just before or after an outward act.

    crashing_launcher.py ACT:before|after:N --site FILE

ACT is send, move, submit or commit; N counts the calls of that act in this tick, from 1.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from astran.cli import launcher
from astran.database.connection import Database
from astran.mail.imap import Inbox
from astran.mail.smtp import SmtpPostman
from astran.scheduler.local.controller import LocalScheduler


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Moment:
    """Counts the calls of one act and dies at the right one."""

    def __init__(self, when: str, number: int) -> None:
        self.when = when
        self.number = number
        self.seen = 0

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.seen += 1
            if self.seen == self.number and self.when == "before":
                die()
            result = act(*args, **kwargs)
            if self.seen == self.number and self.when == "after":
                die()
            return result

        return wrapped


def main() -> int:
    act, when, number = sys.argv.pop(1).split(":")
    moment = Moment(when, int(number))
    if act == "commit":
        begin = Database.begin

        @contextmanager
        def counted(self: Database) -> Iterator[Any]:
            with begin(self) as connection:
                yield connection
                moment.seen += 1
                if moment.seen == moment.number and when == "before":
                    die()
            if moment.seen == moment.number and when == "after":
                die()

        Database.begin = counted  # type: ignore[method-assign]
    else:
        owner: Any = {"send": SmtpPostman, "move": Inbox, "submit": LocalScheduler}[act]
        setattr(owner, act, moment.around(getattr(owner, act)))
    return launcher.main()


if __name__ == "__main__":
    sys.exit(main())
