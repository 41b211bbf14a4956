"""The real lstchain tools on a small simulated night, through the same tasks as the service's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import tables
from astropy.io import fits
from demo_fixtures import SmallNight

from astran import api
from astran.base.clock import SystemClock
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.night_data import NightData
from astran.base.tasks import Plan, Stage, Task
from astran.config.site import SiteConfig
from astran.production.audit.findings import Dl2Audit, State
from astran.telescopes.lst import manual
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.checks.dl2_audit import audit_dl2
from astran.telescopes.lst.environment.releases import find_toolset
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.hdf5_open import DL2_TABLE as TABLE
from astran.telescopes.lst.manual import Workspace
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.settings import Dl2Settings, Engine, LstConfig

pytestmark = [pytest.mark.lstchain, pytest.mark.slow]
TARGET = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}


@dataclass(frozen=True)
class Made:
    """A site on the small night with everything up to the index made."""

    site: SiteConfig
    config: LstConfig
    data: NightData
    tools: Toolset
    folder: Path
    plan: Plan
    records: dict[str, ExitRecord]

    def bench(self, folder: Path) -> Workspace:
        return Workspace(self.site, self.tools, folder, sys.executable)


@pytest.fixture(scope="module")
def made(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    work = tmp_path_factory.mktemp("chain")
    here = {"bin": str(Path(sys.executable).parent)}
    site = SiteConfig.model_validate(
        {
            "site": "small night",
            "workdir": str(work),
            "simulated": True,
            "lstchain": {"default": "here", "environments": {"here": here}},
            "data": simulated_night.tree.data_settings(),
        }
    )
    date = str(simulated_night.simulation.night)
    config = LstConfig.model_validate({"target": TARGET, "date": date})
    data = LstCatalogue(site, SystemClock()).find(config)
    tools = find_toolset(site)
    folder = work / config.label
    plan = make_plan(config, site, data, tools, folder, sys.executable, Stage.INDEX)
    bench = Workspace(site, tools, folder, sys.executable)
    records = manual.run_tasks(plan.tasks, bench)
    yield Made(site, config, data, tools, folder, plan, {r.key: r for r in records})


def run_one(made: Made, task: Task, folder: Path) -> ExitRecord:
    """Run one task, moved to another folder."""
    moved = replace(
        task,
        script=str(folder / Path(task.script).name),
        log=str(folder / "task.log"),
        record=str(folder / "record.json"),
        outputs=tuple(
            replace(output, path=str(folder / "out" / Path(output.path).name))
            for output in task.outputs
        ),
    )
    (record,) = manual.run_tasks([replace(moved, needs=())], made.bench(folder))
    return record


def by_hand(tasks: Sequence[Task], made: Made, folder: Path) -> tuple[ExitRecord, ...]:
    return manual.run_tasks(tasks, made.bench(folder))


def facts(made: Made, key: str) -> dict[str, object]:
    return made.records[key].products[0].facts


# ---- the whole chain -----------------------------------------------------------------------------


def test_every_task_succeeds_and_its_product_is_where_the_plan_says(made: Made) -> None:
    assert [task.key for task in made.plan.tasks] == list(made.records)
    for task in made.plan.tasks:
        record = made.records[task.key]
        assert record.outcome is TaskOutcome.OK, (task.key, record.message, record.log_excerpt)
        assert [p.path for p in record.products] == [output.path for output in task.outputs]
        assert all(Path(output.path).is_file() for output in task.outputs)
    assert not list(made.folder.rglob(".work-*"))
    assert not list(made.site.shared_dir.rglob(".work-*"))


def test_dl2_keeps_the_rate_of_the_data(made: Made, simulated_night: SmallNight) -> None:
    for run in simulated_night.runs:
        found = facts(made, f"dl2-{run}")
        assert found["rate_hz"] > 1000
        assert found["warnings"] == []


def stock_tasks(made: Made) -> list[Task]:
    """DL2 by lstchain's own tool."""
    config = made.config.model_copy(update={"dl2": Dl2Settings(engine=Engine.STOCK)})
    return list(manual.dl2_tasks(config, made.data, made.bench(made.folder)))


def test_the_stock_tool_makes_the_same_product(made: Made, tmp_path: Path) -> None:
    """Asked for in the configuration; it is made even if the fast engine has made the same."""
    tasks = stock_tasks(made)
    fast = {task.key: task.fingerprint for task in made.plan.tasks}
    assert all(task.fingerprint != fast[task.key] for task in tasks)
    record = run_one(made, tasks[0], tmp_path)
    assert record.outcome is TaskOutcome.OK, (record.message, record.log_excerpt)
    found, expected = record.products[0].facts, facts(made, tasks[0].key)
    assert found == {**expected, "engine": "stock"}
    assert expected["engine"] == "fast"


def test_livetime_and_cuts_of_dl3(made: Made, simulated_night: SmallNight) -> None:
    for run in simulated_night.runs:
        found = facts(made, f"dl3-{run}")
        duration = simulated_night.simulation.duration
        assert found["run"] == run
        assert 0.9 * duration < found["livetime_s"] <= duration
        assert found["cuts"] == {"gammaness_cut": 0.7, "theta_cut": 0.2}
        assert found["rad_max_deg"] == 0.2
        assert found["warnings"] == []


def test_dl3_is_interpolated_between_the_nodes(made: Made, simulated_night: SmallNight) -> None:
    for run in simulated_night.runs:
        found = facts(made, f"dl3-{run}")
        assert abs(found["irf_zenith_deg"] - found["zenith_deg"]) < 0.1
        text = (made.folder / "log" / f"dl3-{run}.log").read_text()
        assert "Paths of IRFs used for interpolation" in text


def test_dl3_says_where_it_comes_from_and_its_tables_are_the_tool_s(
    made: Made, simulated_night: SmallNight, tmp_path: Path
) -> None:
    """Beside the very same tool run by hand."""
    key = f"dl3-{simulated_night.runs[0]}"
    task = made.plan.task(key)
    product = Path(task.outputs[0].path)
    header = fits.getheader(product)
    assert header["LSTVER"] == made.tools.version
    assert header["RFMODEL"] == made.data.monte_carlo[0].models.folder  # type: ignore[union-attr]
    assert (header["CUTGH"], header["CUTTHETA"], header["CUTINT"]) == (0.7, 0.2, 50.0)
    assert (header["ANALYSIS"], header["DL2ENGIN"]) == (made.config.label, "fast")
    assert header["TASKFP"] == task.fingerprint
    nodes = {node.name for node in made.data.monte_carlo[0].nodes}
    assert header["IRFMODE"] == "interpolated"
    assert set(header["IRFUSED"].split(", ")) <= nodes
    by_hand = tmp_path / "work"
    for name, target in task.links:
        (by_hand / name).parent.mkdir(parents=True, exist_ok=True)
        (by_hand / name).symlink_to(target)
    subprocess.run([word.replace("{work}", str(by_hand)) for word in task.argv], check=True)
    (stock,) = by_hand.glob("dl3_*.fits")
    with fits.open(product, checksum=True) as ours, fits.open(stock) as theirs:
        assert ours[0].verify_checksum() == 1
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in theirs]
        for hdu, other in zip(ours[1:], theirs[1:], strict=True):
            assert (hdu.data == other.data).all(), hdu.name


def test_the_index_is_right_where_it_lies(made: Made, simulated_night: SmallNight) -> None:
    from gammapy.data import DataStore

    store = DataStore.from_dir(made.folder / "DL3")
    assert sorted(store.obs_table["OBS_ID"]) == simulated_night.runs
    observation = store.obs(simulated_night.runs[0], required_irf="point-like")
    assert len(observation.events.table) == facts(made, f"dl3-{simulated_night.runs[0]}")["events"]
    assert observation.aeff is not None
    assert observation.rad_max is not None


def test_records_tell_what_was_used(made: Made) -> None:
    for record in made.records.values():
        assert record.max_rss_mb is not None and record.max_rss_mb > 100
        assert record.cpu_s is not None and record.cpu_s > 0.5
        assert record.host


def test_kept_irfs_serve_the_next_analysis(made: Made) -> None:
    data = LstCatalogue(made.site, SystemClock()).find(made.config)
    plan = make_plan(made.config, made.site, data, made.tools, made.folder, sys.executable)
    assert not [task for task in plan.tasks if task.stage is Stage.IRF]
    for key in (f"dl3-{run.run}" for run in data.runs):
        assert plan.task(key).fingerprint == made.plan.task(key).fingerprint


def test_energy_dependent_cuts_from_existing_dl2(made: Made, tmp_path: Path) -> None:
    asked = {"target": TARGET, "date": made.config.date, "start": "dl2"}
    config = LstConfig.model_validate({**asked, "dl3": {"cuts": "energy-dependent"}})
    files = sorted((made.folder / "DL2").glob("*.h5"))[:1]
    data = LstCatalogue(made.site, SystemClock()).with_files(config, files)
    records = by_hand(manual.dl3_tasks(config, data, made.bench(tmp_path)), made, tmp_path)
    assert [record.message for record in records] == ["done"] * (len(data.monte_carlo[0].nodes) + 1)
    found = records[-1].products[0].facts
    assert found["cuts"] == {"gh_efficiency": 0.7, "theta_containment": 0.7}
    assert found["rad_max_table"] is True
    (index,) = by_hand(manual.index_tasks(tmp_path / "DL3", made.bench(tmp_path)), made, tmp_path)
    assert index.outcome is TaskOutcome.OK


# ---- what goes wrong with lstchain ---------------------------------------------------------------


def dl2_task(made: Made) -> Task:
    return next(task for task in made.plan.tasks if task.stage is Stage.DL2)


def test_a_missing_configuration_is_no_success(made: Made, tmp_path: Path) -> None:
    """lstchain_dl1_to_dl2 ends with return code 0 and writes nothing."""
    task = stock_tasks(made)[0]
    config = task.argv[task.argv.index("-c") + 1]
    argv = tuple(str(tmp_path / "gone.json") if word == config else word for word in task.argv)
    record = run_one(made, replace(task, argv=argv), tmp_path)
    assert record.returncode == 0
    assert record.outcome is TaskOutcome.CHECK_FAILED
    assert any("configuration could not be loaded" in line for line in record.log_excerpt)


def test_a_damaged_input_fails_and_its_stub_is_not_taken(made: Made, tmp_path: Path) -> None:
    task = dl2_task(made)
    source = Path(made.data.runs[0].file.path)
    bad = tmp_path / source.name
    with tables.open_file(str(bad), "w") as handle:
        handle.create_group("/", "dl1")
    argv = tuple(str(bad) if word == str(source) else word for word in task.argv)
    record = run_one(made, replace(task, argv=argv, inputs=(str(bad),)), tmp_path)
    assert record.outcome is TaskOutcome.TOOL_FAILED
    assert record.log_excerpt
    assert not list((tmp_path / "out").glob("*"))


def test_thinned_events_are_noticed(made: Made, tmp_path: Path) -> None:
    """Gaps above 10 ms are no livetime for lstchain."""
    source = next(iter(sorted((made.folder / "DL2").glob("*.h5"))))
    thin = tmp_path / source.name
    shutil.copy(source, thin)
    with tables.open_file(str(thin), "a") as handle:
        table = handle.get_node(TABLE)
        rows = table.read()[::40].copy()
        table.remove_rows(0, table.nrows - 1)
        table.append(rows)
        table.flush()
        table.remove_rows(0, 1)
    audit = audit_dl2(thin)
    assert (audit.state, audit.problems) == (State.SUSPICIOUS, [])
    assert "livetime" in audit.warnings[0]
    data = LstCatalogue(made.site, SystemClock()).with_files(
        made.config.model_copy(update={"start": "dl2"}), [thin]
    )
    config = LstConfig.model_validate({"target": TARGET, "date": made.config.date, "start": "dl2"})
    record = by_hand(manual.dl3_tasks(config, data, made.bench(tmp_path)), made, tmp_path)[-1]
    assert record.outcome is TaskOutcome.OK
    found = record.products[0].facts
    assert found["livetime_s"] < 0.8 * found["ontime_s"]
    assert "thinned out" in found["warnings"][0]


def test_checks_by_hand_know_what_the_products_were_made_from(made: Made) -> None:
    dl2, dl3 = api.check_dl2(places=[made.folder]), api.check_dl3(places=[made.folder])
    assert dl2.ok and dl3.ok, (dl2, dl3)
    for audit in dl2.runs:
        assert isinstance(audit, Dl2Audit)
        assert audit.rows == audit.expected_rows
        assert audit.rows is not None and audit.rows < (audit.dl1_rows or 0), "without pedestals"
        record = facts(made, f"dl3-{audit.run}")
        assert audit.livetime_s == pytest.approx(record["livetime_s"], rel=1e-4)
    assert [audit.state for audit in dl3.index] == [State.OK, State.OK]
    config = made.config.model_copy(update={"runs": (dl2.runs[0].run, 99)})
    night = api.check_dl2(made.site, config=config)
    assert [(audit.run, audit.state) for audit in night.runs] == [
        (99, State.MISSING),
        (dl2.runs[0].run, State.OK),
    ]


def test_the_commands_of_a_dry_run_make_the_same_product(made: Made, tmp_path: Path) -> None:
    """They are what is run, and a script that runs."""
    run = min(audit.run for audit in api.check_dl3(places=[made.folder]).runs if audit.run)
    source = made.folder / "DL2" / f"dl2_LST-1.Run{run:05d}.h5"
    work = api.prepare_dl3(made.site, made.config, [source], tmp_path, keep=False)
    assert not list(tmp_path.iterdir())
    ended = subprocess.run(["bash"], input=work.script(), text=True, capture_output=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    name = f"dl3_LST-1.Run{run:05d}.fits"
    differ = fits.FITSDiff(
        str(tmp_path / "DL3" / name),
        str(made.folder / "DL3" / name),
        ignore_keywords=["CREATED", "DATE"],
        # ASTRAN's runner tells there where the file comes from
        ignore_hdus=["PRIMARY"],
    )
    assert differ.identical, differ.report()
    assert not list((tmp_path / "DL3").glob(".work*"))


def test_mixed_flavours_of_irfs_cannot_reach_dl3(made: Made, tmp_path: Path) -> None:
    """Another analysis' IRFs in the same folder do not disturb."""
    task = next(task for task in made.plan.tasks if task.stage is Stage.DL3)
    kept = Path(task.links[0][1]).parent
    stray = kept / "irf_stray.fits.gz"
    with fits.open(kept / Path(task.links[0][1]).name) as hdus:
        del hdus[1].header["GH_CUT"]
        hdus.writeto(stray)
    try:
        assert run_one(made, task, tmp_path).outcome is TaskOutcome.OK
    finally:
        stray.unlink()


def test_an_irf_of_other_cuts_is_caught(made: Made, tmp_path: Path) -> None:
    """If a file was put in the place of a kept IRF, DL3 carries its cuts and is refused."""
    task = next(task for task in made.plan.tasks if task.stage is Stage.DL3)
    links = []
    for name, target in task.links:
        other = tmp_path / Path(target).name
        with fits.open(target) as hdus:
            for hdu in hdus[1:]:
                hdu.header["GH_CUT"] = 0.8
            hdus.writeto(other)
        links.append((name, str(other)))
    record = run_one(made, replace(task, links=tuple(links)), tmp_path)
    assert record.outcome is TaskOutcome.CHECK_FAILED
    assert "other cuts" in record.message


def test_too_little_monte_carlo_is_told(made: Made, tmp_path: Path) -> None:
    """No energy bin with 100 gammas ends in an IndexError of lstchain."""
    (alone,) = made.data.monte_carlo
    node = alone.nodes[0]
    few = tmp_path / Path(node.file.path).name
    shutil.copy(node.file.path, few)
    with tables.open_file(str(few), "a") as handle:
        table = handle.get_node(TABLE)
        table.remove_rows(60, table.nrows)
    asked = {"target": TARGET, "date": made.config.date, "start": "dl2"}
    config = LstConfig.model_validate({**asked, "dl3": {"cuts": "energy-dependent"}})
    node = replace(node, file=replace(node.file, path=str(few)))
    data = replace(made.data, monte_carlo=(replace(alone, nodes=(node,)),), kept_irfs=())
    tasks = manual.dl3_tasks(config, data, made.bench(tmp_path))
    irfs = [task for task in tasks if task.stage is Stage.IRF]
    (record,) = by_hand(irfs, made, tmp_path)
    assert record.outcome is TaskOutcome.TOOL_FAILED
    assert any("IndexError" in line for line in record.log_excerpt)


def test_a_source_without_coordinates_in_the_net_needs_no_net(made: Made, tmp_path: Path) -> None:
    """Coordinates are given, negative ones too; the tool asks nobody for the name."""
    target = {"name": "Nobody's source", "ra": 83.6331, "dec": -22.0145}
    asked = {"target": target, "date": made.config.date, "start": "dl2"}
    config = LstConfig.model_validate(asked)
    files = sorted((made.folder / "DL2").glob("*.h5"))[:1]
    data = LstCatalogue(made.site, SystemClock()).with_files(config, files)
    record = by_hand(manual.dl3_tasks(config, data, made.bench(tmp_path)), made, tmp_path)[-1]
    assert record.outcome is TaskOutcome.OK
    with fits.open(record.products[0].path) as hdus:
        assert hdus["EVENTS"].header["DEC_OBJ"] == pytest.approx(-22.0145)
        assert hdus["EVENTS"].header["OBJECT"] == "Nobody's source"


def test_forests_trained_for_all_cores_keep_to_those_of_the_task(made: Made) -> None:
    """Their n_jobs is stored with them; the variable is what limits it."""
    variables = dict(dl2_task(made).variables) | {"LOKY_MAX_CPU_COUNT": "1"}
    code = "import joblib, sys\nwith joblib.parallel_config(sys.argv[1]):\n"
    code += "    print(joblib.effective_n_jobs(-1))"
    for backend in ("threading", "loky"):
        done = subprocess.run(
            [sys.executable, "-c", code, backend],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "1"


# ---- command lines -------------------------------------------------------------------------------


def test_command_lines_by_hand(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from astran.cli.production.check import check_dl2, check_dl3
    from astran.cli.production.create import create_dl2

    site = tmp_path / "site.yml"
    site.write_text(json.dumps(made.site.model_dump(mode="json", exclude_none=True)))
    run = made.data.runs[0].run
    words = ["-t", "Crab", "-d", made.config.date, "-r", str(run), "--site", str(site)]
    out = tmp_path / "out"
    assert create_dl2([*words, "--output", str(out), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"dl2-{run}" in said and "--flat-models" in said
    assert not out.exists()
    assert create_dl2([*words, "--output", str(out)]) == 0
    assert (out / "DL2" / f"dl2_LST-1.Run{run}.h5").is_file()
    capsys.readouterr()
    assert check_dl2([str(out / "DL2"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert found["state"] == "ok" and found["rows"] == found["expected_rows"] > 0
    assert check_dl3([str(made.folder / "DL3")]) == 0
    assert "Livetime" in capsys.readouterr().out
