"""Provenance of products: back to DL1, models and Monte Carlo, also through reused work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from archive_fixtures import ArchiveHouse
from prov.model import PROV, ProvDocument, ProvEntity

from astran.base.states import AnalysisState
from astran.cli.main import main

pytestmark = [pytest.mark.lstchain]


@pytest.fixture
def site(house: ArchiveHouse, tmp_path: Path) -> Path:
    """The site of `house` as a file; A1 is done."""
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump(house.context.site.model_dump(mode="json", exclude={"mail"})))
    assert house.end(house.launch("20231213")).state is AnalysisState.DONE
    return path


def folder(house: ArchiveHouse, number: int) -> Path:
    return house.state(number).folder


def traced(site: Path, file: Path, capsys: pytest.CaptureFixture[str], *words: str) -> ProvDocument:
    capsys.readouterr()
    assert main(["provenance", str(file), "--site", str(site), *words]) == 0
    return ProvDocument.deserialize(content=capsys.readouterr().out)


def locations(doc: ProvDocument, kind: str) -> set[str]:
    """Paths of the entities of a type."""
    return {
        str(next(iter(entity.get_attribute("prov:location"))))
        for entity in doc.get_records(ProvEntity)
        if any(str(t) == f"astran:{kind}" for t in entity.get_asserted_types())
    }


def relations(doc: ProvDocument, name: str) -> list[dict[str, str]]:
    """Each relation of a kind: attribute to value."""
    text = json.loads(doc.serialize())
    return list(text.get(name, {}).values())


def test_dl3_leads_back_to_dl1_models_and_monte_carlo(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    product = folder(house, 1) / "DL3" / "dl3_LST-1.Run00100.fits"
    doc = traced(site, product, capsys)
    assert locations(doc, "dl3") == {str(product)}, "and no other run"
    assert locations(doc, "dl1") == {str(house.file(100))}
    assert {Path(path).suffix for path in locations(doc, "models")} >= {".sav"}
    assert locations(doc, "mc"), "the IRF was made from Monte Carlo"
    assert {Path(path).name for path in locations(doc, "config")} >= {"selection.json"}
    text = json.loads(doc.serialize())
    tasks = {
        str(one["astran:stage"] if "astran:stage" in one else one["prov:label"]): one
        for one in text["activity"].values()
    }
    dl3 = tasks["A1 dl3-100"]
    assert "lstchain_create_dl3_file" in dl3["astran:command"]
    assert dl3["prov:startTime"] == "2023-12-18T09:00:00+00:00"
    assert dl3["astran:host"] == "here"
    assert dl3["astran:attempt"] == {"$": "1", "type": "xsd:int"}
    assert dl3["astran:exit_code"]["$"] == "0"
    (node,) = [e for e in text["entity"].values() if e.get("prov:location") == str(product)]
    assert len(node["astran:sha256"]) == 64
    assert int(node["astran:size"]["$"]) == product.stat().st_size
    labels = {str(agent["prov:label"]) for agent in text["agent"].values()}
    assert "ann@a.test" in labels
    assert any(label.startswith("lstchain 0.") for label in labels)
    assert any(label.startswith("astran ") for label in labels)
    assert len(relations(doc, "used")) >= 8
    assert len(relations(doc, "wasGeneratedBy")) == len(tasks)
    assert len(relations(doc, "wasAssociatedWith")) == 3 * len(tasks)
    assert any("prov:plan" in one for one in relations(doc, "wasAssociatedWith"))
    derived = {
        (one["prov:generatedEntity"], one["prov:usedEntity"])
        for one in relations(doc, "wasDerivedFrom")
    }
    ids = {e.get("prov:location"): name for name, e in text["entity"].items()}
    (dl2,) = locations(doc, "dl2")
    assert {(ids[str(product)], ids[dl2]), (ids[dl2], ids[str(house.file(100))])} <= derived


def test_every_name_in_a_relation_is_described(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.loads(traced(site, folder(house, 1) / "results", capsys).serialize())
    known = {name for kind in ("entity", "activity", "agent") for name in text[kind]}
    kinds = {"used", "wasGeneratedBy", "wasDerivedFrom", "wasAssociatedWith", "actedOnBehalfOf"}
    assert kinds <= text.keys()
    for kind in kinds:
        for relation in text[kind].values():
            names = {v for k, v in relation.items() if k != "prov:time" and isinstance(v, str)}
            assert names <= known, kind


def test_results_lead_back_to_all_runs(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doc = traced(site, folder(house, 1) / "results" / "results.json", capsys)
    assert len(locations(doc, "dl3")) == 2
    assert len(locations(doc, "index")) == 2
    assert locations(doc, "dl1") == {str(house.file(100)), str(house.file(101))}
    (results,) = (
        e for e in doc.get_records(ProvEntity) if PROV["Collection"] in e.get_asserted_types()
    )
    (member,) = relations(doc, "hadMember")
    assert member["prov:collection"] == str(results.identifier)


def test_subruns_come_from_their_own_dl1_alone(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = house.launch("20231214")
    assert house.end(number).state is AnalysisState.DONE
    doc = traced(site, folder(house, number) / "DL3" / "dl3_LST-1.Run00200.fits", capsys)
    text = json.loads(doc.serialize())
    names = {name: Path(e["prov:location"]).name for name, e in text["entity"].items()}
    derived = [
        (names[one["prov:generatedEntity"]], names[one["prov:usedEntity"]])
        for one in relations(doc, "wasDerivedFrom")
    ]
    dl1 = [pair for pair in derived if pair[1].startswith("dl1_LST")]
    assert len(dl1) == 6
    assert sorted(dl1)[:1] == [("dl2_LST-1.Run00200.0000.h5", "dl1_LST-1.Run00200.0000.h5")]
    assert [made for made, used in dl1 if made != used.replace("dl1", "dl2")] == []
    merged = [used for made, used in derived if made == "dl2_LST-1.Run00200.h5"]
    assert sorted(merged) == [f"dl2_LST-1.Run00200.{part:04d}.h5" for part in range(3)]


def test_reused_work_is_traced_to_the_task_that_did_it(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.clock.time = house.clock.time.replace(hour=12)
    number = house.launch("20231213", dl3={"theta_cut": 0.3})
    assert house.end(number).state is AnalysisState.DONE
    product = folder(house, number) / "DL3" / "dl3_LST-1.Run00100.fits"
    text = json.loads(traced(site, product, capsys).serialize())
    began = {one["prov:label"]: one["prov:startTime"] for one in text["activity"].values()}
    assert began["A1 dl2-100"] == "2023-12-18T09:00:00+00:00"
    assert began["A2 dl3-100"] == "2023-12-18T12:00:00+00:00"
    capsys.readouterr()
    assert main(["show", "A2", "--site", str(site), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["provenance"]
    stages = {(task["analysis"], task["stage"]) for task in told["tasks"]}
    assert {("A1", "dl2"), ("A2", "irf"), ("A2", "dl3"), ("A2", "highlevel")} <= stages
    roles = {file["role"] for file in told["files"]}
    assert roles >= {"dl1", "dl2", "dl3", "irf", "models", "mc", "config", "request", "results"}


def test_links_and_copies_are_known(
    house: ArchiveHouse, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    product = folder(house, 1) / "DL3" / "dl3_LST-1.Run00100.fits"
    link, copy = tmp_path / "link.fits", tmp_path / "copy.fits"
    link.symlink_to(product)
    shutil.copy(product, copy)
    for path in (link, copy):
        doc = traced(site, path, capsys)
        assert locations(doc, "dl3") == {str(product)}
        (same,) = relations(doc, "alternateOf")
        assert same["prov:alternate1"] != same["prov:alternate2"]


def test_what_is_not_known_is_said_with_a_cure(
    house: ArchiveHouse, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(path: Path) -> str:
        capsys.readouterr()
        assert main(["provenance", str(path), "--site", str(site)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    other = tmp_path / "other.fits"
    other.write_text("not ours")
    assert "ASTRAN has no record of" in refused(other)
    assert "There is no file" in refused(tmp_path / "none.fits")
    assert "it is an input of A1" in refused(house.file(100))
    product = folder(house, 1) / "DL3" / "dl3_LST-1.Run00101.fits"
    product.write_text("changed since")
    said = refused(product)
    assert "is no longer as dl3-101 of A1 left it on 2023-12-18 09:00 UTC" in said
    assert "`astran retry`" in said


def test_a_product_that_is_gone_is_still_known(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    product = folder(house, 1) / "DL2" / "dl2_LST-1.Run00100.h5"
    product.unlink()
    assert main(["provenance", str(product), "--site", str(site)]) == 0
    said = capsys.readouterr()
    assert "is gone; this is what is recorded of it" in said.err
    assert ProvDocument.deserialize(content=said.out).has_bundles() is False


def test_who_asked_is_left_out_where_the_site_keeps_a_target_private(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    product = folder(house, 1) / "DL3" / "dl3_LST-1.Run00100.fits"
    assert "ann@a.test" in traced(site, product, capsys).serialize()
    assert "ann@a.test" not in traced(site, product, capsys, "--anonymous").serialize()
    private = yaml.safe_load(site.read_text())
    private["pages"]["private"] = ["Crab"]
    site.write_text(yaml.safe_dump(private))
    doc = traced(site, product, capsys)
    assert "ann@a.test" not in doc.serialize()
    assert relations(doc, "wasAssociatedWith"), "the software is still named"


def test_into_a_file(
    house: ArchiveHouse, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "prov.json"
    product = folder(house, 1) / "DL3" / "dl3_LST-1.Run00100.fits"
    assert main(["provenance", str(product), "-o", str(target), "--site", str(site)]) == 0
    assert capsys.readouterr().out == ""
    assert ProvDocument.deserialize(str(target)) == traced(site, product, capsys)


def test_show_prints_where_products_came_from(
    house: ArchiveHouse, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["show", "A1", "--site", str(site)]) == 0
    text = capsys.readouterr().out
    _, _, made = text.partition("Provenance:")
    assert "by A1 dl3-100, attempt 1, 2023-12-18 09:00:00 to 09:00:00 UTC on here" in made
    assert "command: " in made
    assert "lstchain_create_dl3_file -d" in made
    assert f"dl1 read: {house.file(100)}, {house.file(101)}" in made
    assert "models read:" in made
    assert "cuts: gammaness > 0.7, theta < 0.2 deg, intensity > 50 p.e." in made
    assert "software: astran " in made
    product = folder(house, 1) / "DL3" / "dl3_LST-1.Run00100.fits"
    assert main(["show", str(product), "--site", str(site)]) == 0
    one = capsys.readouterr().out
    assert str(product) in one
    assert "dl3-101" not in one


def test_of_very_many_tasks_some_of_each_stage_are_told(
    house: ArchiveHouse,
    site: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("astran.cli.analyses.show._MOST", 5)
    capsys.readouterr()
    assert main(["show", "A1", "--site", str(site)]) == 0
    made = capsys.readouterr().out.partition("Provenance:")[2]
    assert "by A1 dl3-100" in made
    assert "dl3-101" not in made
    assert "and 6 more tasks; `astran show FILE` tells of any product" in made
