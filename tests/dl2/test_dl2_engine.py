"""`astran dl2` beside lstchain_dl1_to_dl2: the same files, bit for bit, or lstchain's own."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import require
from demo_fixtures import SmallNight

pytestmark = [pytest.mark.lstchain]

BIN = Path(sys.executable).parent
PARAMETERS = "/dl1/event/telescope/parameters/LST_LSTCam"
RECONSTRUCTED = "/dl2/event/telescope/parameters/LST_LSTCam"
ENGINE = "ASTRAN_DL2_ENGINE"


@dataclass(frozen=True)
class Bench:
    """Models that say which order they add in, and files to work on."""

    models: Path
    data: Path
    more: Path
    monte_carlo: Path
    flat: Path

    def stock(self, out: Path, *files: Path, config: Path | None = None) -> None:
        ended = self._run([str(BIN / "lstchain_dl1_to_dl2")], out, files, config)
        assert ended.returncode == 0, ended.stderr[-2000:]

    def fast(
        self, out: Path, *files: Path, config: Path | None = None, trust: Path | None = None,
        words: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        program = [str(BIN / "astran"), "dl2", "--flat-models", str(self.flat)]
        program += ["--trust", str(trust or self.models)]
        return self._run([*program, *words], out, files, config)

    def _run(
        self, program: list[str], out: Path, files: tuple[Path, ...], config: Path | None
    ) -> subprocess.CompletedProcess[str]:
        named = [word for file in files for word in ("-f", str(file))]
        chosen = ["-c", str(config)] if config else []
        return subprocess.run(
            [*program, *named, "-p", str(self.models), "-o", str(out), *chosen],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=out.parent,
        )


@pytest.fixture(scope="module")
def bench(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    require(importlib.util.find_spec("lstchain"), "lstchain", "Install astran[lst].")
    import joblib

    root = tmp_path_factory.mktemp("dl2")
    tree = simulated_night.tree
    models = root / "models"
    shutil.copytree(tree.models, models)
    for path in models.glob("*.sav"):
        model = joblib.load(path)
        # with more than one thread scikit-learn adds in the order in which they end
        model.n_jobs = 1
        joblib.dump(model, path)
    files = []
    for number, run in enumerate(simulated_night.runs[:2]):
        copy = root / tree.dl1(run).name
        shutil.copy(tree.dl1(run), copy)
        shorten(copy, 9000 + 4000 * number, odd=number == 0)
        files.append(copy)
    gammas = sorted((tree.root / "mc" / "DL1").rglob("dl1_*test*.h5"))
    monte_carlo = root / gammas[0].name
    shutil.copy(gammas[0], monte_carlo)
    return Bench(models, files[0], files[1], monte_carlo, root / "flat")


def shorten(path: Path, rows: int, odd: bool) -> None:
    """Keep the first rows; some of them get values as in real data."""
    import tables

    with tables.open_file(str(path), "a") as handle:
        table = handle.get_node(PARAMETERS)
        table.remove_rows(rows)
        if not odd:
            return
        data = table.read()
        pick = np.random.default_rng(4).permutation(rows)
        data["event_type"][pick[:50]] = 2
        data["event_type"][pick[50:100]] = 0
        data["intensity"][pick[100:140]] = np.nan
        data["width"][pick[140:160]] = np.inf
        data["log_intensity"][pick[160:180]] = -np.inf
        data["time_gradient"][pick[180:200]] = 0.0
        table.modify_rows(0, rows, rows=data)


def assert_same(one: Path, other: Path) -> str:
    """All tables, columns, types, orders, bits and attributes. Returns the engine of `other`."""
    import tables

    with tables.open_file(str(one)) as a, tables.open_file(str(other)) as b:
        names = {node._v_pathname for node in a.walk_nodes("/")}
        assert names == {node._v_pathname for node in b.walk_nodes("/")}
        for node in a.walk_nodes("/", "Table"):
            mate = b.get_node(node._v_pathname)
            assert (node.dtype, node.nrows) == (mate.dtype, mate.nrows), node._v_pathname
            x, y = node.read(), mate.read()
            for name in node.colnames:
                assert x[name].tobytes() == y[name].tobytes(), (node._v_pathname, name)
            assert _attributes(node._v_attrs) == _attributes(mate._v_attrs)
        marks = _attributes(b.root._v_attrs)
        marks.pop(ENGINE)
        assert _attributes(a.root._v_attrs) == marks
        return str(b.root._v_attrs[ENGINE])


def _attributes(attributes: Any) -> dict[str, str]:
    return {name: repr(attributes[name]) for name in attributes._f_list("all")}


@pytest.mark.filterwarnings("ignore")
def test_observed_data_of_two_files(bench: Bench, tmp_path: Path) -> None:
    """Events of all types and rows that cannot be reconstructed, in blocks and at once."""
    bench.stock(tmp_path / "stock", bench.data, bench.more)
    for words in (("--threads", "2", "--block-rows", "1777"), ("--threads", "1")):
        ended = bench.fast(tmp_path / "fast", bench.data, bench.more, words=("--overwrite", *words))
        assert ended.returncode == 0, ended.stderr[-2000:]
        for dl1 in (bench.data, bench.more):
            name = dl1.name.replace("dl1", "dl2", 1)
            assert assert_same(tmp_path / "stock" / name, tmp_path / "fast" / name) == "fast"
        assert "events/s" in ended.stdout
        assert sorted(path.name for path in (tmp_path / "fast").iterdir()) == sorted(
            path.name.replace("dl1", "dl2", 1) for path in (bench.data, bench.more)
        )


@pytest.mark.filterwarnings("ignore")
def test_monte_carlo_and_another_configuration(bench: Bench, tmp_path: Path) -> None:
    """Without interpolation over the zenith, with other filters."""
    settings = json.loads((bench.models / "lstchain_config.json").read_text())
    settings["events_filters"] = {"intensity": [80, 1e5], "r": [0, 1.0]}
    parts = ("energy", "gammaness", "direction")
    settings["random_forest_zd_interpolation"] = {f"interpolate_{part}": False for part in parts}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings))
    bench.stock(tmp_path / "stock", bench.monte_carlo, config=config)
    ended = bench.fast(tmp_path / "fast", bench.monte_carlo, config=config)
    assert ended.returncode == 0, ended.stderr[-2000:]
    name = bench.monte_carlo.name.replace("dl1", "dl2", 1)
    assert assert_same(tmp_path / "stock" / name, tmp_path / "fast" / name) == "fast"


@pytest.mark.filterwarnings("ignore")
def test_what_it_does_not_know_is_left_to_lstchain(bench: Bench, tmp_path: Path) -> None:
    import tables

    odd = tmp_path / bench.data.name
    shutil.copy(bench.data, odd)
    with tables.open_file(str(odd), "a") as handle:
        handle.get_node(PARAMETERS).modify_column(5, 6, column=[np.nan], colname="alt_tel")
    bench.stock(tmp_path / "stock", odd)
    ended = bench.fast(tmp_path / "fast", odd)
    assert ended.returncode == 0, ended.stderr[-2000:]
    name = odd.name.replace("dl1", "dl2", 1)
    engine = assert_same(tmp_path / "stock" / name, tmp_path / "fast" / name)
    assert engine == "stock: events without a pointing"
    assert "stock engine, because of events without a pointing" in ended.stdout


@pytest.mark.filterwarnings("ignore")
def test_a_release_that_was_not_compared(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is left to lstchain's own tool, with a word; who asks for it gets the fast engine."""
    from astran.dl2 import engine

    monkeypatch.setattr(engine, "PROVEN", ("0.7",))
    words = ["-f", str(bench.data), "-p", str(bench.models), "--flat-models", str(bench.flat)]
    trust = ["--trust", str(bench.models)]
    assert engine.run_engine([*words, *trust, "-o", str(tmp_path / "own")]) == 0
    asked = [*words, *trust, "--any-release", "-o", str(tmp_path / "fast")]
    assert engine.run_engine(asked) == 0
    name = bench.data.name.replace("dl1", "dl2", 1)
    bench.stock(tmp_path / "stock", bench.data)
    found = assert_same(tmp_path / "stock" / name, tmp_path / "own" / name)
    assert found.startswith("stock: lstchain 0.") and found.endswith("was not compared yet")
    assert caplog.messages[0] == f"stock engine, because of {found.removeprefix('stock: ')}"
    assert assert_same(tmp_path / "stock" / name, tmp_path / "fast" / name) == "fast"
    # nor does it load what is not trusted
    assert engine.run_engine([*words, "-o", str(tmp_path / "none")]) == 1
    assert not (tmp_path / "none").exists()


def test_failures_leave_nothing(bench: Bench, tmp_path: Path) -> None:
    """Pickles that are not trusted, a DL1 file that is cut off, a product that exists."""
    out = tmp_path / "out"
    ended = bench.fast(out, bench.data, trust=tmp_path, words=("--flat-models", str(tmp_path)))
    assert ended.returncode != 0
    assert "not trusted" in ended.stdout + ended.stderr
    assert list(out.iterdir()) == []

    broken = tmp_path / bench.data.name
    broken.write_bytes(bench.data.read_bytes()[: bench.data.stat().st_size // 2])
    assert bench.fast(out, broken).returncode != 0
    assert list(out.iterdir()) == []

    there = out / bench.data.name.replace("dl1", "dl2", 1)
    there.write_text("precious")
    ended = bench.fast(out, bench.data)
    assert ended.returncode != 0
    assert "exists already" in ended.stdout + ended.stderr
    assert there.read_text() == "precious"


def test_powers_of_large_tables_are_those_of_pandas() -> None:
    """pandas leaves a power of more than a million rows to numexpr, with other last bits."""
    require(importlib.util.find_spec("lstchain"), "lstchain", "Install astran[lst].")
    import pandas as pd

    from astran.dl2 import blocks

    least, used = blocks._numexpr()
    exponents = pd.Series(np.random.default_rng(1).normal(size=1_000_001))
    assert least == 1_000_000
    if used:
        assert (10**exponents).to_numpy().tobytes() == blocks._powers(
            exponents.to_numpy()
        ).tobytes()
    few = exponents[:1000]
    assert (10**few).to_numpy().tobytes() == (10 ** few.to_numpy()).tobytes()
