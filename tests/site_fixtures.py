"""ASTRAN installations for end-to-end tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from e2e.site_under_test import LOCAL, SiteUnderTest, empty
from services.dovecot import Dovecot
from services.smtp import SmtpServer


def shared_data(*parts: str) -> Path:
    """Real public DL3 data for tests."""
    root = Path(os.environ.get("ASTRAN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    from conftest import require

    folder = root.joinpath(*parts)
    require(folder.is_dir(), f"the DL3 data {'/'.join(parts)}", "Set ASTRAN_TEST_DATA.")
    return folder


@pytest.fixture
def empty_mailboxes(dovecot: Dovecot) -> Dovecot:
    """The mail server with all mailboxes empty."""
    empty(dovecot)
    return dovecot


@pytest.fixture
def magic_site(tmp_path: Path, empty_mailboxes: Dovecot, smtp_server: SmtpServer) -> SiteUnderTest:
    """A site that may read the real MAGIC Crab runs."""
    data = {"roots": [str(shared_data("magic"))]}
    return SiteUnderTest(tmp_path, empty_mailboxes, smtp_server, data, LOCAL, simulated=False)
