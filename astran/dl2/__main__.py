"""Run by the interpreter of an lstchain environment that ASTRAN is not installed in::

/envs/lstchain-0.12/bin/python .../astran/dl2 -f dl1_....h5 -p MODELS -o DL2 [-c FILE]
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

_WITH_VALUE = ("--flat-models", "--trust", "--threads", "--block-rows", "--compression")
_ALONE = ("--any-release",)


def _only_stock(words: list[str]) -> None:
    """Become lstchain's own tool: releases of 0.10 live in a Python that ASTRAN does not know."""
    rest, left = [], iter(words)
    for word in left:
        if word in _WITH_VALUE:
            next(left, "")
        elif word not in _ALONE and not word.startswith(tuple(f"{o}=" for o in _WITH_VALUE)):
            rest.append(word)
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"astran dl2: stock engine, because of Python {version}", flush=True)
    beside = Path(sys.executable).with_name("lstchain_dl1_to_dl2")
    program = str(beside) if beside.exists() else beside.name
    os.execvp(program, [program, *rest])


def _find_astran() -> None:
    """Make `astran` importable from beside this file, and nothing else of its environment."""
    if "astran" in sys.modules:
        return
    here = Path(__file__).resolve().parent
    # as a script, this folder is where Python looks first; its modules are no top-level ones
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != here]
    package = here.parent
    spec = importlib.util.spec_from_file_location(
        "astran", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["astran"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    if sys.version_info[:2] < (3, 10):  # noqa: UP036 - not ASTRAN's own Python
        _only_stock(sys.argv[1:])
    _find_astran()
    from astran.dl2.engine import run

    sys.exit(run(sys.argv[1:]))
