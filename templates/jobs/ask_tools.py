"""Runs in an lstchain environment: python ask_tools.py FOLDER TOOL...

Writes the version and the help text of each tool into FOLDER. All tools are asked in one process,
as the import of lstchain takes seconds. Any Python from 3.8 on will do.
"""

import contextlib
import io
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


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


def main(folder, tools):
    """Ask all that the installed lstchain has."""
    try:
        package = distribution("lstchain")
    except PackageNotFoundError:
        return
    (folder / "version").write_text(package.version)
    entries = {entry.name: entry for entry in package.entry_points}
    for tool in (Path(name).name for name in tools):
        if tool in entries:
            (folder / f"{tool}.help").write_text(help_of(entries[tool]))


main(Path(sys.argv[1]), sys.argv[2:])
