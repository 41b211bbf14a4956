"""The outcome of a look at all products of a night or of folders."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from astran.base.tasks import ProductKind
from astran.production.audit.findings import Audit, State


@dataclass(slots=True, kw_only=True)
class Inventory:
    """Outcome of check_dl2 or check_dl3. The names of the fields are those of the JSON."""

    kind: ProductKind
    night: str = ""
    target: str = ""
    folders: list[str] = field(default_factory=list)
    """Where products were looked for."""
    ok: bool = True
    """Whether every product is there and good."""
    counts: dict[str, int] = field(default_factory=dict)
    """Number of runs by state: ok, suspicious, broken, missing."""
    runs: list[Audit] = field(default_factory=list)
    index: list[Audit] = field(default_factory=list)
    """Of DL3: the index files of the folders, if there are any."""

    def close(self) -> Inventory:
        """Count."""
        states = Counter(one.state for one in self.runs)
        self.counts = {state.value: states[state] for state in State}
        every = (*self.runs, *self.index)
        self.ok = bool(self.runs) and all(one.state is State.OK for one in every)
        return self
