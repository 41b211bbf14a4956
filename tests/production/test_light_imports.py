"""Planning, writing scripts and finding data must not load what the minute tick cannot afford."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "astran.telescopes.lst.catalogue.night",
    "astran.telescopes.lst.planning.plan",
    "astran.telescopes.lst.environment.releases",
    "astran.production.job.scripts",
    "astran.production.job.logs",
    "astran.telescopes.lst.checks.product_checks",
    "astran.production.run_task",
)
HEAVY = "numpy", "astropy", "gammapy", "matplotlib", "lstchain", "tables", "jinja2"


def test_no_heavy_import() -> None:
    code = f"import sys\nimport {', '.join(MODULES)}\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
