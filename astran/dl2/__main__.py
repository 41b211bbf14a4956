"""Run by the interpreter of an lstchain environment that ASTRAN is not installed in::

/envs/lstchain-0.12/bin/python .../astran/dl2 -f dl1_....h5 -p MODELS -o DL2 [-c FILE]
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


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
    if spec is None or spec.loader is None:
        raise ImportError(f"ASTRAN cannot be loaded from {package}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["astran"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _find_astran()
    from astran.base.logging_setup import LogForm, configure_logging
    from astran.dl2.engine import run_engine

    configure_logging(form=LogForm.DL2)
    sys.exit(run_engine(sys.argv[1:]))
