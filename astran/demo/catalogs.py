"""Tables of the night, as lstchain writes them, and a README that says what it all is."""

from __future__ import annotations

from collections.abc import Sequence

from astran.demo.data_tree import DataTree
from astran.demo.dl1_format import SIMULATED
from astran.demo.observation import ObservedEvents

_README = """\
# Simulated LST-1 night

**SIMULATED.** Nothing in this folder was observed. `astran simulate-night` made it, for trying out
and testing the analysis.

- `real/DL1/`: {count} runs of {night} on {source}, wobble offset 0.4 deg, in lstchain's format
- `real/monitoring/`: RunSummary and RunCatalog of that night
- `mc/`, `models/`: Monte Carlo, and random forests trained on it by `lstchain_mc_trainpipe`
- `truth.json`, `truth/`: what was simulated, down to the event ids of the gammas

Images are not simulated: their parameters are drawn from hand-tuned functions that look like LST-1.
No performance of the telescope can be learned from these files.
"""


def write_catalogs(tree: DataTree, source: str, observed: Sequence[ObservedEvents]) -> None:
    """Write RunSummary, RunCatalog and README."""
    from astropy.table import Table

    meta = {"SIMULATED": SIMULATED}
    catalog = Table(
        {
            "run_id": [one.run.number for one in observed],
            "source_name": [source for _ in observed],
            "source_ra": [one.run.ra for one in observed],
            "source_dec": [one.run.dec for one in observed],
        },
        meta={**meta, "date": tree.night.iso},
    )
    starts = [one.run.start for one in observed]
    nanoseconds = [int(start.timestamp()) * 10**9 for start in starts]
    summary = Table(
        {
            "run_id": [one.run.number for one in observed],
            "n_subruns": [1 for _ in observed],
            "run_type": ["DATA" for _ in observed],
            "ucts_timestamp": nanoseconds,
            "run_start": nanoseconds,
            "dragon_reference_time": nanoseconds,
            "dragon_reference_module_id": [132 for _ in observed],
            "dragon_reference_module_index": [0 for _ in observed],
            "dragon_reference_counter": [0 for _ in observed],
            "dragon_reference_source": ["ucts" for _ in observed],
        },
        meta={**meta, "date": tree.night.iso, "lstchain_version": "simulated"},
    )
    for table, path in ((catalog, tree.run_catalog), (summary, tree.run_summary)):
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write(path, format="ascii.ecsv", delimiter=",", overwrite=True)
    text = _README.format(night=tree.night, source=source, count=len(observed))
    (tree.root / "README.md").write_text(text)
