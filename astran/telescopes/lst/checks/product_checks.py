"""Whether a product is one: return codes of the tools do not tell.

Each check opens the file, looks at its content and returns facts about it for the exit record, or
raises ProductError with words that a person understands. What is odd, but no reason to reject, is
a sentence in `facts["warnings"]`.

Expectations that the checks know (of `Output.expect`, all optional):
run : run number that DL3 must carry
dl1, dl1_to_dl2 : of DL2, see `dl2_check`
gammaness_cut, theta_cut [deg], gh_efficiency, theta_containment : the cuts of IRF and DL3
irf_kind, background : of IRF and DL3, see `irf_cuts.compare_irfs`
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astran.base.tasks import Expectation, ProductKind
from astran.production.checks.dl3 import check_dl3
from astran.production.checks.index import check_index
from astran.production.checks.irf import check_irf
from astran.production.checks.results import check_results
from astran.telescopes.lst.checks.dl2_check import check_dl2


def check_product(
    path: Path, kind: ProductKind, expect: Mapping[str, Expectation]
) -> dict[str, Any]:
    """Check a product of any kind.

    Returns
    -------
    Facts as plain JSON data

    Raises
    ------
    ProductError : it does not open or is not what it should be
    """
    return {name: _plain(value) for name, value in _facts(path, kind, expect).items()}


def _facts(path: Path, kind: ProductKind, expect: Mapping[str, Expectation]) -> dict[str, Any]:
    match kind:
        case ProductKind.DL2:
            return check_dl2(path, expect)
        case ProductKind.IRF:
            return check_irf(path, expect)
        case ProductKind.DL3:
            return check_dl3(path, expect)
        case ProductKind.INDEX:
            return check_index(path)
        case ProductKind.RESULTS:
            return check_results(path)


def _plain(value: Any) -> Any:
    """A fact as JSON can hold it: not-a-number and infinity become None."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
