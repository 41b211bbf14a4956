"""The Python door: launch, follow and read analyses of a site.

    from astran import Client

    client = Client("site.yml")
    analysis = client.launch(target="Crab", date="20231207")
    client.wait(analysis)
    print(client.results(analysis).stacked.significance)

What is launched goes through the checks of a mail and is run by the same engine (docs/python.md).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astran.base.clock import Clock, SystemClock
from astran.base.errors import AstranError, ConfigError, StoreError
from astran.base.night import Night
from astran.base.permissions import private_umask
from astran.base.states import AnalysisState
from astran.catalogue.sources import find_redshift, resolve_source
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig
from astran.config.yaml_files import load_site, site_path
from astran.database import analyses
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.location import identity, opening
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.launch_language.parser import parse
from astran.launch_language.resolve import resolve_config, several_nights, write_launch
from astran.results.codec import results_from_json
from astran.results.document import RESULTS, Results
from astran.service.context import Context
from astran.service.intake.quotas import quota_exceeded
from astran.service.jobs.cancellation import request_cancel
from astran.service.jobs.task_control import repeat_analysis, request_for_tasks
from astran.service.manual_run import AnalysisProgress, drive_analysis, repeat_ended
from astran.service.reporting.overview import summarise_analysis
from astran.service.tick import run_tick
from astran.telescopes.registry import find_chain

_BY_MAIL_ONLY = ("repeat", "cc")
"""Keys of a mail that this door does not take."""


@dataclass(frozen=True, slots=True)
class AnalysisStatus:
    """How an analysis is going."""

    id: str
    """`A12`."""
    label: str
    """Target and night, `Crab20231207`."""
    state: AnalysisState
    folder: Path
    reason: str
    """Why it failed or what it waits for; may be empty."""
    tasks: Mapping[str, int]
    """Number of tasks by state."""
    remaining_s: float | None
    """Estimated; None: not known, or it has ended."""

    @property
    def ended(self) -> bool:
        return self.state.final


Which = AnalysisStatus | str | int
"""An analysis: its status, `"A12"`, or 12."""


class Client:
    """The analyses of one site.

    Parameters
    ----------
    site : site configuration or its file; none: $ASTRAN_SITE, ./site.yml,
        ~/.config/astran/site.yml

    Raises
    ------
    ConfigError : the configuration cannot be used
    StoreError : its database is not there, or is of another version
    """

    @private_umask()
    def __init__(self, site: SiteConfig | Path | str | None = None, clock: Clock | None = None):
        config = site if isinstance(site, SiteConfig) else load_site(site_path(site))
        identity.check_store(config)
        config.workdir.mkdir(parents=True, exist_ok=True)
        store = opening.open_store(config)
        self._context = Context(config, store, clock or SystemClock(), sys.executable)

    @private_umask()
    def launch(
        self, text: str = "", *, requester: str = "", once: str = "", **keys: object
    ) -> AnalysisStatus:
        """Launch an analysis; nothing runs before `wait`, or the next tick of astran-launcher.

        Parameters
        ----------
        text : as in a mail: lines like `target: Crab`
        requester : address that gets confirmation and report; empty: nobody is written to
        once : a word of your own; launched again with the same word, the first analysis is
            returned
        keys : instead of the text or beside it: `target="Crab", runs=[15864]`,
            `**{"dl3.theta_cut": 0.2}`

        Raises
        ------
        ConfigError : with every problem of the request, as the answer to a mail would name them
        StoreError : the requester has as much under way as the site allows
        """
        config, params = self._configure(text + "\n" + write_launch(_plain(keys)))
        if requester and self._context.site.mail is None:
            raise ConfigError(
                "This site has no mailbox to write to a requester.", cure="Leave requester out."
            )
        key = hashlib.sha256(f"client\n{once}".encode()).hexdigest() if once else None
        now = self._context.clock.now()
        with self._context.db.begin() as db:
            known = analyses.by_hand_key(db, key) if key else None
            if known is None:
                if requester and (reason := quota_exceeded(self._context, db, requester)):
                    raise StoreError(reason)
                known = analyses.create_analysis(
                    *(db, now, RequestOrigin(params=params), config.label, config.plain()),
                    *(self._context.site.workdir, requester, key),
                )
        return self.status(known.id)

    def check(self, text: str = "", **keys: object) -> AnalysisConfig:
        """The configuration that `launch` would run, with all defaults; ConfigError as there."""
        return self._configure(text + "\n" + write_launch(_plain(keys)))[0]

    def _configure(self, text: str) -> tuple[AnalysisConfig, dict[str, Any]]:
        """As for a mail: language, values, target, then what the installed software knows."""
        site, now = self._context.site, self._context.clock.now()
        parsed = parse(text, site.telescope, now)
        aside = [name for name in _BY_MAIL_ONLY if name in parsed.params]
        if aside:
            raise ConfigError(f"{aside[0]} can be asked for by mail only.")
        if several_nights(parsed.params) is not None:
            raise ConfigError(
                "Several nights or targets are not launched from here.",
                cure="Ask for them by mail or by `astran campaign`, or launch each by itself.",
            )
        if parsed.corrected:
            # nobody could be asked whether the correction is right
            parsed = replace(parsed, corrected=False)
        config = resolve_config(
            parsed, resolve_source, Night.of(now), site.telescope, find_redshift
        )
        problems = find_chain(config.telescope).request_problems(site, config, keep=True)
        if problems:
            raise ConfigError("The request cannot be used:", problems)
        return config, dict(parsed.params)

    def status(self, analysis: Which) -> AnalysisStatus:
        """How an analysis is going (StoreError where there is none)."""
        found = self._find(analysis)
        with self._context.db.begin() as db:
            plain = summarise_analysis(self._context, db, found)
        return AnalysisStatus(
            id=found.name,
            label=found.label,
            state=found.state,
            folder=found.folder,
            reason=plain["words"] or found.reason,
            tasks=plain["tasks"],
            remaining_s=plain["remaining_s"],
        )

    def analyses(self, limit: int = 20) -> list[AnalysisStatus]:
        """The newest analyses, the newest first."""
        with self._context.db.begin() as db:
            found = analyses.newest_analyses(db, limit)
        return [self.status(one.id) for one in found]

    @private_umask()
    def wait(self, analysis: Which, timeout_s: float | None = None) -> AnalysisStatus:
        """Move the analysis on until it has ended, whether or not astran-launcher runs, too.

        Raises
        ------
        TimeoutError : it goes on, and has not ended in that time
        """
        clock, found = self._context.clock, self._find(analysis)
        begin = clock.now()

        def watch(progress: AnalysisProgress) -> None:
            spent = (clock.now() - begin).total_seconds()
            if timeout_s is not None and spent > timeout_s and not progress.state.final:
                raise TimeoutError(f"{found.name} has not ended after {timeout_s:g} s.")

        if not found.state.final:
            drive_analysis(self._context, found.id, watch)
        return self.status(found.id)

    def results(self, analysis: Which) -> Results:
        """The content of results.json (docs/results.md).

        Raises
        ------
        StoreError : it has no results (yet), or they cannot be read
        """
        found = self._find(analysis)
        place = found.folder / "results" / RESULTS
        if not place.is_file():
            raise StoreError(f"{found.name} has no results: {found.state}.")
        try:
            return results_from_json(json.loads(place.read_text()))[0]
        except (OSError, ValueError) as error:
            raise StoreError(f"The results of {found.name} cannot be read: {error}.") from error

    @private_umask()
    def cancel(self, analysis: Which, *, stage: str = "", run: int | None = None) -> AnalysisStatus:
        """Stop an analysis or a part of it; the scheduler confirms it at the next ticks."""
        found, part = self._find(analysis), TaskSelection(stage, run)
        if found.state.final:
            return self.status(found.id)
        if not part.all:
            return self._request(found, part, TaskRequest.CANCEL)
        request_cancel(self._context, found)
        return self._after_tick(found)

    @private_umask()
    def hold(self, analysis: Which, *, stage: str = "", run: int | None = None) -> AnalysisStatus:
        """Keep what waits from starting; what runs goes on."""
        return self._request(self._find(analysis), TaskSelection(stage, run), TaskRequest.HOLD)

    @private_umask()
    def release(
        self, analysis: Which, *, stage: str = "", run: int | None = None
    ) -> AnalysisStatus:
        """Let go on what was held."""
        return self._request(self._find(analysis), TaskSelection(stage, run), TaskRequest.RELEASE)

    @private_umask()
    def retry(self, analysis: Which, *, stage: str = "", run: int | None = None) -> AnalysisStatus:
        """Run again what failed: in place while the analysis is under way, as a new one, which is
        returned, when it has ended.

        Raises
        ------
        StoreError : it is under way and nothing of it has failed
        """
        found, part = self._find(analysis), TaskSelection(stage, run)
        if found.state.final:
            return self.status(repeat_ended(self._context, found, part).id)
        if not repeat_analysis(self._context, found, part):
            raise StoreError(f"{found.name} is under way, and nothing of it has failed ({part}).")
        return self._after_tick(found)

    def _request(
        self, found: Analysis, part: TaskSelection, request: TaskRequest
    ) -> AnalysisStatus:
        request_for_tasks(self._context, found, part, request)
        return self._after_tick(found)

    def _after_tick(self, found: Analysis) -> AnalysisStatus:
        run_tick(self._context, mail=False, only=found.id)
        return self.status(found.id)

    def _find(self, analysis: Which) -> Analysis:
        name = analysis.id if isinstance(analysis, AnalysisStatus) else str(analysis)
        digits = name.strip().removeprefix("A").removeprefix("a")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            raise AstranError(f"{name!r} is no analysis.", "They are named like A12.")
        with self._context.db.begin() as db:
            return analyses.get_analysis(db, int(digits))


def _plain(keys: Mapping[str, object]) -> dict[str, object]:
    """Values as the launch language writes them; one that would be several lines is refused."""
    plain = {
        name: list(value) if isinstance(value, tuple) else value for name, value in keys.items()
    }
    for name, value in plain.items():
        if any(len(str(part).splitlines()) > 1 for part in (name, value)) or ":" in name:
            raise ConfigError(f"{name!r}: a value is one line.")
    return plain
