"""A second release of lstchain beside the one of the tests: its programs, and models that it can
read, as pickles of one release of scikit-learn are not for another."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from demo_fixtures import SmallNight

from astran.base.clock import SystemClock
from astran.base.process import run_command
from astran.base.tasks import fingerprint
from astran.config.site import Environment
from astran.demo.cache import cache_root, cached
from astran.demo.forests import quiet_environment
from astran.demo.montecarlo import EventSample
from astran.demo.simulate import TEST_NODES
from astran.telescopes.lst.environment.releases import probe_environment
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.planning import argv


def programs() -> Path:
    """Folder of the programs of the second release."""
    from conftest import require

    given = os.environ.get("ASTRAN_OTHER_LSTCHAIN", "")
    require(given, "a second lstchain", "make other-lstchain; ASTRAN_OTHER_LSTCHAIN=.../bin")
    return Path(given).absolute()


@dataclass(frozen=True, slots=True)
class OtherRelease:
    """A release, with models and Monte Carlo of its own made from the simulated night."""

    programs: Path
    version: str
    root: Path

    @property
    def models(self) -> Path:
        return self.root / "models" / "dec_2276"

    @property
    def environment(self) -> dict[str, object]:
        """For `lstchain.environments` of a site."""
        data = {
            "models": str(self.models),
            "lstchain_config": str(self.models / "lstchain_config.json"),
            "mc_dl2": str(self.root / "mc" / "dl2_*.h5"),
        }
        return {"bin": str(self.programs), "data": data}


@pytest.fixture(scope="session")
def other_release(simulated_night: SmallNight) -> OtherRelease:
    """Trained and applied to the Monte Carlo by its own tools (20 s), then kept in the cache."""
    folder = programs()
    tools = probe_environment("other", Environment(bin=folder))

    def make(root: Path) -> None:
        _learn(tools, simulated_night, OtherRelease(folder, tools.version, root))

    code = Path(__file__).read_text()
    night = simulated_night.simulation.key()
    key = fingerprint(night=night, version=tools.version, code=code)[:16]
    root, _ = cached(cache_root() / "other-release", key, make, SystemClock())
    return OtherRelease(folder, tools.version, root)


def _learn(tools: Toolset, night: SmallNight, made: OtherRelease) -> None:
    tree = night.tree
    made.models.mkdir(parents=True)
    config = shutil.copy(tree.lstchain_config, made.models)
    shutil.copy(tree.models / "training_dirs.ecsv", made.models)
    env = quiet_environment(made.root / "settings")
    gammas, protons = (
        tree.merged(kind) for kind in (EventSample.GAMMA_DIFFUSE, EventSample.PROTONS)
    )
    words = ("--fg", gammas, "--fp", protons, "-o", made.models, "-c", config)
    run_command(
        [*tools.program("lstchain_mc_trainpipe"), *words], timeout=900, env=env, cwd=made.models
    )
    files = [str(tree.test_dl1(node)) for node in TEST_NODES]
    to_dl2 = argv.dl1_to_dl2(tools, files, str(made.models), Path(config))
    out = made.root / "mc"
    words = [word.replace(argv.WORK, str(out)) for word in to_dl2]
    run_command(words, timeout=900, env=env, cwd=made.models)
