"""The fast engine in the environment of another lstchain release, which holds no ASTRAN."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from demo_fixtures import SmallNight
from other_release import programs as programs_of_another
from test_dl2_engine import assert_same, shorten

import astran


@pytest.mark.lstchain
@pytest.mark.filterwarnings("ignore")
def test_the_bits_of_another_release(simulated_night: SmallNight, tmp_path: Path) -> None:
    programs = programs_of_another()
    run = simulated_night.runs[0]
    dl1 = tmp_path / simulated_night.tree.dl1(run).name
    shutil.copy(simulated_night.tree.dl1(run), dl1)
    shorten(dl1, 9000, odd=True)
    models = tmp_path / "models"
    models.mkdir()
    config = models / "lstchain_config.json"
    shutil.copy(simulated_night.tree.lstchain_config, config)
    shutil.copy(simulated_night.tree.models / "training_dirs.ecsv", models)

    def call(program: str | Path, *words: str | Path) -> str:
        done = subprocess.run(
            [str(word) for word in (program, *words)],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    python = programs / "python"
    call(python, Path(__file__).with_name("train_small.py"), config, dl1, models)
    common = ("-f", dl1, "-p", models, "-c", config)
    call(programs / "lstchain_dl1_to_dl2", *common, "-o", tmp_path / "stock")
    engine = Path(astran.__file__).parent / "dl2"
    own = ("--trust", models, "--flat-models", tmp_path / "flat", "--block-rows", "4000")
    call(python, engine, *common, "-o", tmp_path / "fast", *own)
    name = dl1.name.replace("dl1", "dl2", 1)
    assert assert_same(tmp_path / "stock" / name, tmp_path / "fast" / name) == "fast"
    version = call(python, "-c", "import lstchain; print(lstchain.__version__)")
    assert version.startswith(("0.10.", "0.11.")), version
    assert "astran" not in call(python, "-m", "pip", "list").lower()
