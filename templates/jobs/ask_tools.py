"""Runs in an lstchain environment: python ask_tools.py FOLDER TOOL...

Writes into FOLDER the version, the help text of each tool, lstchain's standard configuration
(standard.json) and the parameters of the tools for IRFs and DL3 (traits.json); where lstchain
cannot be imported, the error and the versions of what it needs (failure). All is asked in one
process, as the import of lstchain takes seconds. Any Python from 3.8 on will do.
"""

import contextlib
import importlib
import io
import json
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

CONFIGURED = ("lstchain_create_irf_files", "lstchain_create_dl3_file")


def help_of(entry):
    """What the tool prints for --help."""
    said = io.StringIO()
    sys.argv = [entry.name, "--help"]
    with contextlib.redirect_stdout(said):
        try:
            entry.load()()
        except SystemExit as end:
            if end.code not in (None, 0):
                raise RuntimeError(f"{entry.name} --help ended with {end.code}") from end
    return said.getvalue()


def traits_of(module):
    """Every parameter of a ctapipe tool and its components, by class and name."""
    from ctapipe.core import Tool

    own = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Tool) and each is not Tool
    ]
    common = set(Tool.class_trait_names(config=True))
    found = {}
    for tool in own:
        for kind in (tool, *tool.classes):
            traits = kind.class_traits(config=True)
            found[kind.__name__] = {
                name: {
                    "kind": type(trait).__name__,
                    "default": trait.default(),
                    "choices": list(getattr(trait, "values", None) or ()),
                }
                for name, trait in traits.items()
                if name not in common
            }
    return found


def main(folder, tools):
    """Ask all that the installed lstchain has."""
    try:
        package = distribution("lstchain")
    except PackageNotFoundError:
        return
    (folder / "version").write_text(package.version)
    entries = {entry.name: entry for entry in package.entry_points}
    traits = {}
    for tool in (Path(name).name for name in tools):
        if tool in entries:
            (folder / f"{tool}.help").write_text(help_of(entries[tool]))
            if tool in CONFIGURED:
                traits.update(traits_of(importlib.import_module(entries[tool].value.split(":")[0])))
    from lstchain.io import get_standard_config

    (folder / "standard.json").write_text(json.dumps(get_standard_config()))
    (folder / "traits.json").write_text(json.dumps(traits, default=str))


def describe_failure(error):
    """The error, and the versions of what lstchain depends on most."""
    found = []
    for name in ("numpy", "scipy", "astropy", "ctapipe"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {distribution(name).version}")
    lines = str(error).strip().splitlines() or [""]
    return "\n".join((f"{type(error).__name__}: {lines[0]}", ", ".join(found)))


answers = Path(sys.argv[1])
try:
    main(answers, sys.argv[2:])
except (ImportError, AttributeError, ValueError) as failure:
    (answers / "failure").write_text(describe_failure(failure))
    raise
