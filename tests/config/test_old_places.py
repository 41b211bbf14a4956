"""Settings that have moved are read from their old place, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from astran.base.errors import ConfigError
from astran.config.yaml_files import load_site

OLD = """\
site: Here
workdir: /srv/astran
scheduler:
  kind: slurm
  slurm:
    partition: short
    throttle: 20
    lost_after_min: 30
    poll_shortest_s: 5
    poll_longest_s: 300
"""


def test_what_every_scheduler_has_once_stood_under_slurm(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text(OLD)
    scheduler = load_site(path).scheduler
    assert scheduler.slurm.partition == "short"
    assert (scheduler.throttle, scheduler.lost_after_min) == (20, 30)
    assert (scheduler.poll_shortest_s, scheduler.poll_longest_s) == (5, 300)


def test_a_setting_in_both_places_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text(f"{OLD}  throttle: 10\n")
    with pytest.raises(ConfigError, match=r"slurm\.throttle is the old place of throttle"):
        load_site(path)


def test_a_wrong_value_in_an_old_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text(OLD.replace("throttle: 20", "throttle: -1"))
    with pytest.raises(ConfigError, match=r"scheduler\.throttle"):
        load_site(path)
