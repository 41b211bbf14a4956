"""Capsules: packed, judged by the validator of RO-Crate, repeated elsewhere; and hostile zips."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import require

from astran.base.errors import ProductError
from astran.cli.main import main
from astran.highlevel import analysis
from astran.highlevel.__main__ import main as highlevel
from astran.highlevel.capsule.layout import METADATA, OPTIONS, portable_options
from astran.highlevel.capsule.pack import CapsuleSource, pack_capsule
from astran.highlevel.capsule.rerun import compare_values
from astran.highlevel.capsule.ro_crate import CrateFacts
from astran.highlevel.capsule.unpack import unpack_capsule
from astran.highlevel.comparison.sides import read_results

VALIDATOR = "ASTRAN_ROCRATE_VALIDATOR"
MADE = Path(__file__).resolve().parents[2] / ".venv-rocrate" / "bin" / "rocrate-validator"
PLACE = ["--target=Crab", "--ra=83.6287", "--dec=22.0147", "--map-width=1.5", "--map-bin=0.1"]


@pytest.fixture(scope="module", autouse=True)
def _no_plots() -> Iterator[None]:
    """They take most of the time and are in no capsule."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "_draw", lambda *_: ())
        yield


def pack(dl3: Path, folder: Path, words: list[str]) -> Path:
    """The results of a folder of DL3, and their capsule."""
    results = folder / "results"
    argv = ["python", "-m", "astran.highlevel", f"--dl3={dl3}", f"--output={results}", *words]
    assert highlevel(argv[3:]) == 0
    capsule = folder / "capsule.zip"
    found = read_results(results / "results.json")
    pack_capsule(
        CapsuleSource((dl3,), results, tuple(portable_options(argv)), "target: Crab\n", "{}\n"),
        CrateFacts(
            title="Crab",
            results=found,
            made="2026-01-01T00:00:00+00:00",
            site="Test site",
            license="https://creativecommons.org/licenses/by/4.0/",
            software=dict(found.versions),
            container=f"analysis.sif@sha256:{'a' * 64}",
        ),
        capsule,
    )
    return capsule


@pytest.fixture(scope="module")
def capsule(public_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("capsule")
    return pack(public_data("magic/rad_max"), folder, [*PLACE, "--runs=5029747"])


def test_a_capsule_holds_what_was_used_and_no_more(capsule: Path) -> None:
    with zipfile.ZipFile(capsule) as archive:
        names = set(archive.namelist())
        options = json.loads(archive.read(OPTIONS))["options"]
        crate = json.loads(archive.read(METADATA))
    assert options == [*PLACE, "--runs=5029747"]
    events = [name for name in names if name.startswith("DL3/") and "index" not in name]
    assert len(events) == 1 and "05029747" in events[0]
    assert {"results/results.json", "config/analysis.yml", "provenance/prov.json"} <= names
    listed = {one["@id"] for one in crate["@graph"] if one["@type"] == "File"}
    assert listed == names - {METADATA}


SCHEMA_ORG = """
CreateAction CreativeWork Dataset Organization SoftwareApplication about actionStatus
additionalType agent author contentSize datePublished description encodingFormat endTime hasPart
instrument license mentions name object publisher result softwareVersion startTime url version
"""
CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": {
        **{name: f"http://schema.org/{name}" for name in SCHEMA_ORG.split()},
        "File": "http://schema.org/MediaObject",
        "conformsTo": "http://purl.org/dc/terms/conformsTo",
    },
    "https://w3id.org/ro/terms/workflow-run/context": {
        name: f"https://w3id.org/ro/terms/workflow-run#{name}"
        for name in ("ContainerImage", "containerImage", "sha256")
    },
}
"""The terms that capsules use, as the published contexts have them."""
FILL_CACHE = """
import io, json, sys, requests, requests_cache, urllib3
session = requests_cache.CachedSession(sys.argv[1], backend="sqlite", allowable_methods=("GET",))
kind = {"Content-Type": "application/ld+json"}
for url, terms in json.loads(sys.argv[2]).items():
    answer, body = requests.Response(), json.dumps({"@context": terms}).encode()
    answer.status_code, answer._content, answer.url = 200, body, url
    answer.headers.update(kind)
    answer.raw = urllib3.HTTPResponse(io.BytesIO(body), kind, 200, preload_content=False)
    for headers in ({}, {"Accept": "application/ld+json, application/json;q=0.9, */*;q=0.1"}):
        answer.request = requests.Request("GET", url, headers).prepare()
        session.cache.save_response(answer)
"""


def test_the_validator_is_content(capsule: Path, tmp_path: Path) -> None:
    """RO-Crate 1.1 and Process Run Crate 0.5, all that is required, without the internet."""
    places = os.environ.get(VALIDATOR), shutil.which("rocrate-validator"), str(MADE)
    tool = next((place for place in places if place and Path(place).is_file()), "")
    require(tool, "rocrate-validator", f"make rocrate-validator, or name it by {VALIDATOR}")
    crate, cache = tmp_path / "crate", tmp_path / "cache"
    with zipfile.ZipFile(capsule) as archive:
        archive.extractall(crate)
    interpreter = Path(tool).read_text().splitlines()[0].removeprefix("#!")
    fill = [interpreter, "-c", FILL_CACHE, str(cache), json.dumps(CONTEXTS)]
    subprocess.run(fill, check=True, timeout=60)
    words = ["validate", "--no-paging", "--offline", "--cache-path", str(cache), "-l", "required"]
    done = subprocess.run(
        [tool, "--disable-color", *words, "-p", "process-run-crate", str(crate)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_capsule_speaks_in_known_terms_alone(capsule: Path) -> None:
    """What no context has would be lost to a reader of the description."""
    with zipfile.ZipFile(capsule) as archive:
        crate = json.loads(archive.read(METADATA))
    known = {name for terms in CONTEXTS.values() for name in terms}
    used = {key for one in crate["@graph"] for key in one if not key.startswith("@")}
    assert used | {one["@type"] for one in crate["@graph"]} <= known


def test_a_rerun_elsewhere_gives_the_same_numbers(capsule: Path, tmp_path: Path) -> None:
    """In a process and a folder that know no site."""
    home = tmp_path / "home"
    home.mkdir()
    clean = {name: value for name, value in os.environ.items() if "ASTRAN" not in name}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "astran.cli.main"),
            *("rerun", str(capsule), "--output", "again", "--no-plots"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=home,
        env={**clean, "HOME": str(home)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("EQUAL: all ")
    assert (home / "again" / "results" / "results.json").is_file()


def test_irfs_in_files_of_their_own_are_packed(
    public_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """FACT: one IRF for all runs, named by the index."""
    words = [*PLACE, "--runs=20131103103,20131103104", "--no-spectrum"]
    packed = pack(public_data("joint-crab/fact"), tmp_path, words)
    with zipfile.ZipFile(packed) as archive:
        assert sum(name.startswith("DL3/") for name in archive.namelist()) == 4
    assert main(["rerun", str(packed), "--output", str(tmp_path / "again")]) == 0


def test_numbers_that_differ_are_named() -> None:
    before: dict[str, Any] = {"stacked": {"n_on": 10, "flux": 1.0, "none": None}, "made": "a"}
    after: dict[str, Any] = {"stacked": {"n_on": 11, "flux": 1.0 + 1e-9, "none": 2.0}, "made": "b"}
    assert [str(one) for one in compare_values(before, after)] == [
        "stacked.n_on: 10 in the capsule, 11 now",
        "stacked.none: nothing in the capsule, 2 now",
    ]


def test_a_rerun_writes_over_nothing(capsule: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    assert main(["rerun", str(capsule), "--output", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# ---- zips from anybody ---------------------------------------------------------------------------


def write_zip(path: Path, members: dict[str, bytes], listed: dict[str, str] | None = None) -> Path:
    parts = [{"@id": name, "sha256": digest} for name, digest in (listed or {}).items()]
    root = {"@id": "./", "hasPart": [{"@id": one["@id"]} for one in parts]}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(METADATA, json.dumps({"@graph": [root, *parts]}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, data in members.items():
                archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["../out", "/out", "DL3/../../out", "C:\\out", "DL3\\..\\out", "a:b", "a\x1b[31m"]
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bad.zip", {name: b"x"}, {name: "0" * 64})
    with pytest.raises(ProductError, match="unsafe name"):
        unpack_capsule(path, tmp_path / "in")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.zip"]


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    link = zipfile.ZipInfo("DL3/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ProductError, match="no plain file"):
        unpack_capsule(path, tmp_path / "in")


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bomb.zip", {"DL3/a": b"\0" * 10**7})
    with pytest.raises(ProductError, match="more than"):
        unpack_capsule(path, tmp_path / "in", most_bytes=10**6)
    assert not (tmp_path / "in").exists()


def test_a_file_larger_than_its_entry_says_is_refused(tmp_path: Path) -> None:
    """The size in the list of a zip file can be any."""
    path = write_zip(tmp_path / "bomb.zip", {"DL3/a": b"\0" * 10**6}, {"DL3/a": "0" * 64})
    data = path.read_bytes()
    path.write_bytes(data.replace((10**6).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ProductError):
        unpack_capsule(path, tmp_path / "in")
    assert (tmp_path / "in" / "DL3" / "a").stat().st_size <= 10


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bad.zip", {"DL3/a": b"x"}, {"DL3/a": "0" * 64})
    with pytest.raises(ProductError, match="not what its description says"):
        unpack_capsule(path, tmp_path / "in")


@pytest.mark.parametrize(
    ("members", "words"),
    [({"DL3/a": b"x"}, "lacks"), (None, "no capsule"), (b"no zip", "cannot be unpacked")],
)
def test_what_is_no_capsule_is_said(members: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    if isinstance(members, bytes):
        path.write_bytes(members)
    elif members is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "b")
    else:
        write_zip(path, members, {"DL3/b": "0" * 64})
    with pytest.raises(ProductError, match=words):
        unpack_capsule(path, tmp_path / "in")


@pytest.mark.parametrize(
    "words", [["--output=/elsewhere"], ["--config", "x.yml"], ["--nonsense"], ["--outp=x"], "text"]
)
def test_options_that_name_places_or_are_none_are_refused(words: Any) -> None:
    from astran.highlevel.capsule.layout import read_options

    with pytest.raises(ProductError):
        read_options(json.dumps({"options": words}), "dl3", "out")


def test_only_options_that_say_what_is_made_are_kept() -> None:
    argv = ["py", "-m", "astran.highlevel", "--dl3=/a", "--output", "/b", "--date=20231207"]
    assert portable_options([*argv, "--version", "x=1", "--json"]) == [
        "--date=20231207",
        "--version",
        "x=1",
    ]
