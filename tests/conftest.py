"""Shared fixtures, and the one way to say that a test needs something this machine lacks."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from services import condor, slurm, smtp
from services import dovecot as dovecot_service
from services import postgres as postgres_service
from services.condor import CondorPool
from services.dovecot import Dovecot
from services.postgres import Postgres
from services.slurm import SlurmCluster
from services.smtp import SmtpServer

from astran.base.logging_setup import reset_logging

# how fast a machine makes examples says nothing of the code
settings.register_profile("astran", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("astran")

pytest_plugins = [
    "demo_fixtures",
    "public_data",
    "site_fixtures",
    "archive_fixtures",
    "other_release",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew from what is made now"
    )


def require(condition: object, what: str, how: str = "") -> None:
    """Go on only if `condition` holds.

    Without it the test is skipped, and says what is missing and how to get it. Where
    ASTRAN_REQUIRE_SERVICES=1 is set nothing may be skipped, but for what ASTRAN_MAY_LACK names
    (with commas between): there the test fails.
    """
    if condition:
        return
    text = f"{what} is not here. {how}".strip()
    tolerated = what in os.environ.get("ASTRAN_MAY_LACK", "").split(",")
    if os.environ.get("ASTRAN_REQUIRE_SERVICES") == "1" and not tolerated:
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@pytest.fixture(autouse=True)
def _no_logging_from_before() -> Iterator[None]:
    """What a command set up for its log ends with the test."""
    yield
    reset_logging()


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A real Slurm with accounting (slurmctld, slurmdbd, two nodes); see services/slurm.py.

    Clients find it by the environment variable SLURM_CONF: use `slurm_env`, or `cluster.env`.
    """
    absent = slurm.missing()
    require(not absent, f"Slurm ({', '.join(absent)})", slurm.HOW)
    with SlurmCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def slurm_without_accounting() -> Iterator[SlurmCluster]:
    """A real Slurm without slurmdbd: sacct never answers."""
    absent = slurm.missing(accounting=False)
    require(not absent, f"Slurm ({', '.join(absent)})", slurm.HOW)
    with SlurmCluster(accounting=False) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def condor_pool() -> Iterator[CondorPool]:
    """A real HTCondor with two machines; see services/condor.py. Commands need `pool.env`."""
    require(condor.home(), "HTCondor", condor.HOW)
    with CondorPool() as pool:
        yield pool


@pytest.fixture
def slurm_env(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """The cluster, with this process's environment pointing to it."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_cluster.conf))
    return slurm_cluster


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A real IMAP server (STARTTLS and TLS) with the users of services/dovecot.py."""
    require(dovecot_service.present(), "Dovecot", dovecot_service.HOW)
    with Dovecot() as server:
        yield server


@pytest.fixture(scope="session")
def _smtp_session(dovecot: Dovecot) -> Iterator[SmtpServer]:
    require(importlib.util.find_spec("aiosmtpd"), "aiosmtpd", smtp.HOW)
    with SmtpServer(dovecot.users, dovecot.certificates, dovecot.lmtp_port) as server:
        yield server


@pytest.fixture
def smtp_server(_smtp_session: SmtpServer) -> Iterator[SmtpServer]:
    """A submission server (STARTTLS, AUTH) that delivers into `dovecot`; its script is empty."""
    _smtp_session.reset()
    yield _smtp_session
    _smtp_session.reset()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL; `postgres.url(postgres.new_database())` is an empty database."""
    require(postgres_service.binaries(), "PostgreSQL", postgres_service.HOW)
    require(importlib.util.find_spec("psycopg"), "psycopg", "pip install 'psycopg[binary]'")
    with Postgres() as server:
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end which parts were not tested here, and how to get them tested."""
    counts: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        counts[reason] = counts.get(reason, 0) + 1
    if not counts:
        return
    terminalreporter.section("not tested on this machine")
    for reason, number in sorted(counts.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{number:4d} tests skipped: {reason}")
    terminalreporter.write_line(
        "`make services` installs the real services (Debian); then run `make test` again."
    )
