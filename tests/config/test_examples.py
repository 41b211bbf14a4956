"""The example configurations: written from the models, complete, and true about defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from astran.base.files import packaged_path
from astran.config.examples import analysis_example, render_example, site_example
from astran.config.model import Settings, build_settings, settings_type
from astran.config.site import SiteConfig
from astran.config.yaml_files import load_site
from astran.telescopes.examples import main
from astran.telescopes.lst.settings import LstConfig

EXAMPLES: dict[str, tuple[type[Settings], str]] = {
    "site.example.yml": (SiteConfig, site_example()),
    "analysis.example.yml": (LstConfig, analysis_example(LstConfig)),
}
example = pytest.mark.parametrize(("model", "text"), EXAMPLES.values(), ids=EXAMPLES.keys())


def switched_on(text: str) -> str:
    """The example with the mark of every commented setting taken away."""
    return re.sub(r"^( *)#(?! [^ ]| *$)", r"\1", text, flags=re.M)


def keys(model: type[Settings]) -> set[str]:
    """Names of all keys of a model and of the models within."""
    found = set(model.model_fields)
    for info in model.model_fields.values():
        for part in (info.annotation, *get_args(info.annotation)):
            inner = settings_type(part)
            if inner is not None:
                found |= keys(inner)
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_file_is_what_the_models_say(name: str) -> None:
    text = (packaged_path("configs") / name).read_text()
    assert text == EXAMPLES[name][1], "run `make examples`"


def test_main_writes_both(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: text for name, (_, text) in EXAMPLES.items()
    }


@example
def test_it_loads_with_nothing_but_what_is_required(model: type[Settings], text: str) -> None:
    config = build_settings(model, yaml.safe_load(text), "the example")
    given = config.model_dump(exclude_unset=True)
    optional = {name for name, info in model.model_fields.items() if not info.is_required()}
    sections = {n for n in optional if settings_type(model.model_fields[n].annotation)}
    assert set(given) & optional <= sections


@example
def test_commented_settings_are_the_defaults(model: type[Settings], text: str) -> None:
    as_it_is = build_settings(model, yaml.safe_load(text), "the example")
    data = yaml.safe_load(switched_on(text))
    # of the three places of a secret the one that the example names
    for server in ("imap", "smtp"):
        if "mail" in data:
            password = data["mail"][server]["password"]
            assert password == {"env": None, "file": "~/.config/astran/password", "command": None}
    assert build_settings(model, data, "the example, all switched on") == as_it_is
    # of an environment the example shows what it sets: nothing
    wanted = leaves(as_it_is.model_dump(mode="json"))
    assert leaves(data) >= {leaf for leaf in wanted if ".environments.default." not in leaf}


def leaves(data: Any, prefix: str = "") -> set[str]:
    if not isinstance(data, dict):
        return {prefix}
    return set().union(*(leaves(value, f"{prefix}.{key}") for key, value in data.items()), set())


@example
def test_every_key_stands_there_with_its_help(model: type[Settings], text: str) -> None:
    for key in keys(model):
        assert re.search(rf"^ *#? *(- )?{key}:", text, re.M), key
    flat = " ".join(line.strip(" #") for line in text.splitlines())
    for info in model.model_fields.values():
        assert info.description
        assert info.description in flat


@example
def test_no_line_is_too_long(model: type[Settings], text: str) -> None:
    assert max(map(len, text.splitlines())) <= 100


def test_values_and_sections_switched_off(tmp_path: Path) -> None:
    text = render_example(
        SiteConfig,
        {"site": "Here", "workdir": str(tmp_path), "scheduler": {"kind": "local"}},
        switched_off=["mail"],
    )
    path = tmp_path / "site.yml"
    path.write_text(text)
    site = load_site(path)
    assert (site.site, site.workdir, site.scheduler.kind) == ("Here", tmp_path, "local")
    assert site.mail is None
    begin = text.index("#mail:")
    block = text[begin : text.index("\n\n", begin)]
    path.write_text(text.replace(block, re.sub("^#", "", block, flags=re.M)))
    mail = load_site(path).mail
    assert mail is not None
    assert mail.imap.host == "mail.institute.example"


def test_a_required_key_without_example_is_an_error() -> None:
    class Bare(Settings):
        key: int

    with pytest.raises(KeyError, match="key"):
        render_example(Bare)


def test_a_section_of_comments_has_its_defaults(tmp_path: Path) -> None:
    data = {"site": "Here", "workdir": str(tmp_path), "scheduler": {"slurm": None}, "data": None}
    site = build_settings(SiteConfig, data, "the site")
    assert site == build_settings(
        SiteConfig, {"site": "Here", "workdir": str(tmp_path)}, "the site"
    )
