"""The house rules that a machine can hold: who imports whom, what is light, what is forbidden."""

from __future__ import annotations

import ast
import configparser
import graphlib
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from astran.config.model import Settings, settings_type
from astran.config.site import SiteConfig
from astran.database import schema
from astran.database.connection import HEAD
from astran.telescopes.lst.settings import LstConfig

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "astran"

MIDDLE = {"mail", "launch_language", "production", "scheduler", "report", "catalogue", "database"}
# the types of results.json
TYPES = {"base", "config", "results"}
MAY_IMPORT: dict[str, set[str]] = {
    "base": set(),
    "results": set(),
    "config": {"base"},
    **dict.fromkeys(MIDDLE, TYPES),
    "mail": {*TYPES, "report"},
    "gadf": {"base"},
    "highlevel": {*TYPES, "gadf"},
    "demo": {*TYPES, "telescopes"},
    # runs in an environment that holds nothing of ASTRAN's dependencies
    "dl2": {"base"},
    "production": {*TYPES, "gadf"},
    "telescopes": {"base", "config", "catalogue", "production", "gadf"},
    "service": {*TYPES, *MIDDLE},
    "api": {"base", "config", *MIDDLE, "service"},
    "cli": {*TYPES, *MIDDLE, "service", "highlevel", "demo", "dl2", "api"},
}
# everyone may know the port and the registry, only the simulated night a chain itself
CHAIN_PORT = {
    f"astran.telescopes.{name}" for name in ("chain", "configuration", "hand_tools", "registry")
}
NO_PORT = {"base", "config", "dl2"}
LIGHT = {*TYPES, "service", "telescopes", "api", *MIDDLE}
HEAVY = {"numpy", "scipy", "pandas", "astropy", "gammapy", "regions", "matplotlib", "tables"}
HEAVY |= {"lstchain", "ctapipe", "sklearn", "joblib"}


class Source(NamedTuple):
    """A module of ASTRAN."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        parts = self.path.relative_to(PACKAGE).parts
        return parts[0].removesuffix(".py").replace("__init__", "")

    @property
    def module(self) -> str:
        words = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(words).removesuffix(".__init__")

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {what}"

    def walk(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        for node in self.walk():
            if isinstance(node, ast.Call):
                yield node, ast.unparse(node.func)


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    paths = sorted(PACKAGE.rglob("*.py"))
    texts = ((path, path.read_text()) for path in paths)
    return [Source(path, text, ast.parse(text)) for path, text in texts]


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: no bodies of functions, nothing that stands
    there for type checkers or for `python -m` only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner: list[ast.AST] = [*child.args.defaults, *filter(None, child.args.kw_defaults)]
            inner += getattr(child, "decorator_list", [])
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inner = list(child.orelse)
        elif isinstance(child, ast.If) and "__main__" in ast.unparse(child.test):
            inner = []
        else:
            inner = [child]
        for part in inner:
            yield part
            yield from executed(part)


def imported(source: Source, node: ast.AST) -> list[str]:
    """Full names that an import statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = source.module.split(".")
        if source.path.name != "__init__.py":
            package = package[:-1]
        base = package[: len(package) - node.level + 1] if node.level else []
        stem = ".".join([*base, *filter(None, [node.module])])
        return [f"{stem}.{alias.name}" for alias in node.names]
    return []


# ---- who imports whom ----------------------------------------------------------------------------


def test_every_package_has_its_rule(sources: list[Source]) -> None:
    assert {source.package for source in sources} - {""} == set(MAY_IMPORT)


def test_imports_go_one_way(sources: list[Source]) -> None:
    wrong = []
    for source in sources:
        for node in source.walk():
            for name in imported(source, node):
                package = ([*name.split("."), ""])[1] if name.startswith("astran.") else ""
                allowed = {source.package, *MAY_IMPORT.get(source.package, set())}
                if name.rpartition(".")[0] in CHAIN_PORT and source.package not in NO_PORT:
                    continue
                if package in MAY_IMPORT and package not in allowed:
                    wrong.append(source.at(node, f"{source.package} may not import {name}"))
    assert wrong == []


def test_only_the_registry_knows_which_schedulers_there_are(sources: list[Source]) -> None:
    """The others ask the protocol: neither a scheduler's modules nor its name or settings."""
    kinds = {path.parent.name for path in (PACKAGE / "scheduler").glob("*/controller.py")}
    assert {"slurm", "local"} <= kinds
    wrong = []
    for source in sources:
        if source.package not in {"service", "cli", "report", "mail", "api"}:
            continue
        for node in source.walk():
            parts = [name.split(".")[:3] for name in imported(source, node)]
            if any(part[:2] == ["astran", "scheduler"] and part[2] in kinds for part in parts):
                wrong.append(source.at(node, "imports a scheduler"))
            if isinstance(node, ast.Compare | ast.MatchValue) and any(
                isinstance(one, ast.Constant) and one.value in kinds for one in ast.walk(node)
            ):
                wrong.append(source.at(node, "asks for a scheduler by its name"))
            if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(
                tuple(f"scheduler.{kind}" for kind in kinds)
            ):
                wrong.append(source.at(node, "asks for the settings of one scheduler"))
    assert wrong == []


NEUTRAL = {"service", "database", "report", "scheduler", "mail"}
OF_A_TELESCOPE = re.compile(r"\b(?:lst|lstchain|LstConfig)(?=\b|_)|\bLST-?1\b", re.I)


def test_the_engine_names_no_telescope(sources: list[Source]) -> None:
    """What is done for a telescope stands behind the port alone."""
    wrong = [
        f"{source.path.relative_to(ROOT)}:{number}: {line.strip()}"
        for source in sources
        # migrations are a record of what was; return codes of tools are data of the database
        if source.package in NEUTRAL and "schema" not in source.path.parts
        for number, line in enumerate(source.text.splitlines(), 1)
        if OF_A_TELESCOPE.search(line)
    ]
    assert wrong == []


def test_light_packages_import_nothing_heavy(sources: list[Source]) -> None:
    wrong = [
        source.at(node, name)
        for source in sources
        if source.package in LIGHT
        for node in executed(source.tree)
        for name in imported(source, node)
        if name.split(".")[0] in HEAVY
    ]
    assert wrong == []


def loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after some code."""
    report = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_light_packages_load_nothing_heavy(sources: list[Source]) -> None:
    """Not by a detour either: all their modules together, in a fresh interpreter."""
    names = [s.module for s in sources if s.package in LIGHT and "migrations" not in s.path.parts]
    assert len(names) > 50
    assert loaded_after("\n".join(f"import {name}" for name in names)) & HEAVY == set()


def test_an_idle_tick_loads_nothing_heavy_or_seldom_needed(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text(f"site: Test\nworkdir: {tmp_path}\nscheduler: {{kind: local}}\n")
    tick = f"from astran.cli.launcher import main\nassert main(['--site', {str(site)!r}]) == 0"
    assert "alembic" not in loaded_after(tick)  # the first one makes the database
    assert loaded_after(tick) & (HEAVY | {"jinja2", "alembic", "rich", "sqlalchemy"}) == set()
    chains = "print([name for name in sys.modules if name.startswith('astran.telescopes.lst')])"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{tick}\n{chains}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.splitlines()[-1] == "[]", "no chain is loaded before it is asked for"


# ---- names and places ---------------------------------------------------------------------------

MAX_ENTRIES = 20
MAX_LATE_IMPORTS = 30
# these stay out of the tick, whoever calls them
LATE_BY_DESIGN = ("astran.highlevel", "astran.dl2", "astran.demo", "astran.gadf")


def test_no_class_name_stands_twice(sources: list[Source]) -> None:
    found: dict[str, list[str]] = {}
    for source in sources:
        for node in source.walk():
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(source.module)
    assert {name: where for name, where in found.items() if len(where) > 1} == {}


def test_no_module_name_stands_three_times(sources: list[Source]) -> None:
    found: dict[str, list[str]] = {}
    for source in sources:
        if "versions" not in source.path.parts and source.path.stem != "__main__":
            found.setdefault(source.module.rpartition(".")[2], []).append(source.module)
    assert {name: where for name, where in found.items() if len(where) > 2} == {}


def test_no_folder_is_too_wide() -> None:
    wide = {}
    for folder in [PACKAGE, *PACKAGE.rglob("*")]:
        if folder.is_dir() and folder.name not in ("__pycache__", "versions"):
            entries = {entry.name for entry in folder.iterdir()} - {"__pycache__", "__init__.py"}
            if len(entries) > MAX_ENTRIES:
                wide[str(folder)] = len(entries)
    assert wide == {}


def own_imports(source: Source, names: set[str], late: bool | None = None) -> set[str]:
    """Modules of ASTRAN that a module imports: on top, or in functions, or both."""
    at_import = {id(node) for node in executed(source.tree)}
    found = set()
    for node in source.walk():
        if late is not None and late is (id(node) in at_import):
            continue
        for name in imported(source, node):
            module = name if name in names else name.rpartition(".")[0]
            if module in names and module != source.module:
                found.add(module)
    return found


def test_no_circle_of_imports(sources: list[Source]) -> None:
    """Not through imports in functions either, nor for types alone."""
    names = {source.module for source in sources}
    graph = {source.module: own_imports(source, names) for source in sources}
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(graph)
    sorter.prepare()


def test_the_picture_of_the_packages_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "draw_architecture.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_imports_stand_on_top(sources: list[Source]) -> None:
    """Commands load what they need when they run, so that each starts fast."""
    names = {source.module for source in sources}
    late = [
        f"{source.module} imports {name}"
        for source in sources
        if source.package != "cli"
        for name in own_imports(source, names, late=True)
        if not name.startswith(LATE_BY_DESIGN)
    ]
    assert len(late) <= MAX_LATE_IMPORTS, late


# ---- what is forbidden ---------------------------------------------------------------------------


def test_no_shell(sources: list[Source]) -> None:
    shells = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
    wrong = [
        source.at(node, name)
        for source in sources
        for node, name in source.calls()
        if name in shells or any(word.arg == "shell" for word in node.keywords)
    ]
    assert wrong == []


def test_commands_are_run_by_one_function(sources: list[Source]) -> None:
    """Popen is for children that are kept (servers, pools); whatever is waited for is `run`."""
    others = {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output")}
    wrong = [
        source.at(node, f"{name}: use astran.base.process.run_command")
        for source in sources
        for node, name in source.calls()
        if name in others
    ]
    assert wrong == []


def test_no_error_is_swallowed(sources: list[Source]) -> None:
    """Whoever catches everything raises it again, or says why not."""
    wrong = []
    for source in sources:
        lines = source.text.splitlines()
        for node in source.walk():
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "" if node.type is None else ast.unparse(node.type)
            if caught and not re.search(r"\b(Base)?Exception\b", caught):
                continue
            again = any(isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(node))
            reason = re.search(r"# noqa: BLE001 - \w", lines[node.lineno - 1])
            if not (again or reason):
                wrong.append(source.at(node, f"except {caught}"))
    assert wrong == []


def test_no_path_of_a_site(sources: list[Source]) -> None:
    tops = "afs|data|fefs|gpfs|home|lustre|mnt|nfs|opt|root|scratch|storage|tmp|users?|var|work"
    path = re.compile(rf"(?<![\w.~>}}\]])/(?:{tops})\d*/", re.I)
    wrong = [
        source.at(node, found[0])
        for source in sources
        for node in source.walk()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if (found := path.search(node.value))
    ]
    assert wrong == []


def test_nothing_is_read_at_import(sources: list[Source]) -> None:
    reads = {"read_text", "read_bytes", "open", "exists", "is_file", "is_dir", "getenv", "mkdir"}
    reads |= {"glob", "rglob", "iterdir", "cwd", "home", "expanduser", "stat", "which", "now"}
    wrong = []
    for source in sources:
        for node in executed(source.tree):
            if isinstance(node, ast.Attribute) and node.attr == "environ":
                wrong.append(source.at(node, "the environment"))
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name.rpartition(".")[2] in reads:
                    wrong.append(source.at(node, name))
    assert wrong == []


def test_no_module_is_too_long(sources: list[Source]) -> None:
    long = {
        str(source.path.relative_to(ROOT)): number
        for source in sources
        if (number := source.text.count("\n")) > 400
    }
    assert long == {}


def test_every_module_says_what_it_is_for(sources: list[Source]) -> None:
    assert [str(source.path) for source in sources if not ast.get_docstring(source.tree)] == []


def test_nothing_is_left_undone(sources: list[Source]) -> None:
    mark = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError")
    assert [str(source.path) for source in sources if mark.search(source.text)] == []


# ---- what must be there --------------------------------------------------------------------------


def settings_models(model: type[Settings]) -> Iterator[type[Settings]]:
    """A model and all models within."""
    yield model
    for info in model.model_fields.values():
        for part in (info.annotation, *getattr(info.annotation, "__args__", ())):
            inner = settings_type(part)
            if inner is not None:
                yield from settings_models(inner)


@pytest.mark.parametrize("top", [SiteConfig, LstConfig])
def test_every_setting_is_described(top: type[Settings]) -> None:
    missing = [
        f"{model.__name__}.{name}"
        for model in settings_models(top)
        for name, info in model.model_fields.items()
        if not (info.description or "").endswith(".")
    ]
    assert missing == []


def test_every_command_loads() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    scripts = dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines if line)
    assert {"astran", "astran-launcher"} <= set(scripts)
    for name, target in scripts.items():
        module, _, attribute = target.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute)), name


def test_every_sub_command_is_there() -> None:
    from astran.cli.main import COMMANDS

    for name, (module, text) in COMMANDS.items():
        loaded = importlib.import_module(module)
        assert callable(loaded.add_arguments), name
        assert callable(loaded.run), name
        assert text, name


def test_the_schema_is_that_of_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    folder = Path(schema.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [HEAD]


def test_test_modules_do_not_hide_each_other() -> None:
    """Test folders are no packages: all their modules share one name space."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_the_table_of_typical_changes_names_what_is_there() -> None:
    """CONTRIBUTING.md: a newcomer edits at most three files, and each of them exists."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| a ")]
    assert len(rows) >= 12
    for row in rows:
        names = re.findall(r"`([a-z0-9_/.]+(?:\.[a-z0-9]+|/))`", row[1])
        assert names, row[0]
        tops = (PACKAGE, ROOT)
        absent = [name for name in names if not any((top / name).exists() for top in tops)]
        assert absent == [], row[0]
        edited = [name for name in names if not name.endswith("/")]
        assert len(edited) <= 3, row[0]
