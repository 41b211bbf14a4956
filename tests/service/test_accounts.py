"""Jobs are charged to the Slurm account of whoever asked."""

from __future__ import annotations

import dataclasses

import pytest
from archive_fixtures import ArchiveHouse

from astran.config.site import MailSettings


@pytest.mark.lstchain
@pytest.mark.parametrize(
    ("accounts", "charged"),
    [
        ({"ann@a.test": "ann-group", "@a.test": "all-of-a"}, "ann-group"),
        ({"@a.test": "all-of-a"}, "all-of-a"),
        ({"bob@a.test": "bobs"}, ""),
    ],
)
def test_the_account_of_the_requester(
    house: ArchiveHouse, accounts: dict[str, str], charged: str
) -> None:
    mail = house.context.site.mail
    assert mail is not None
    mail = MailSettings.model_validate({**mail.model_dump(), "accounts": accounts})
    site = house.context.site.model_copy(update={"mail": mail})
    house.context = dataclasses.replace(house.context, site=site)
    house.launch("20231213")
    house.tick(3)
    assert house.scheduler.batches
    assert {batch.account for batch in house.scheduler.batches} == {charged}
