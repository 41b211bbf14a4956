"""Names of files and folders of an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Folders below the folder of an analysis; scripts are kept by software version."""

    folder: Path
    version: str

    @property
    def jobs(self) -> Path:
        return self.folder / "jobmanager" / self.version

    @property
    def xdg(self) -> Path:
        """Configuration home of the tools; see `offline`."""
        return self.jobs / "xdg"

    @property
    def dl3(self) -> Path:
        return self.folder / "DL3"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def script(self, key: str) -> str:
        """`dl2-15864` gives .../Script_dl2_15864.sh."""
        return str(self.jobs / f"Script_{key.replace('-', '_', 1)}.sh")

    def log(self, key: str) -> str:
        return str(self.folder / "log" / f"{key}.log")

    def record(self, key: str) -> str:
        return str(self.jobs / f"{key}.record.json")

    def dl2_file(self, run: int) -> str:
        return str(self.folder / "DL2" / f"dl2_LST-1.Run{run:05d}.h5")

    def dl2_subrun(self, name: str) -> str:
        return str(self.folder / "DL2" / "subruns" / name)

    def dl3_file(self, run: int) -> str:
        return str(self.dl3 / f"dl3_LST-1.Run{run:05d}.fits")

    @property
    def offline(self) -> tuple[str, str]:
        """File that keeps astropy from fetching Earth rotation tables: nodes often have no net."""
        text = "[utils.iers.iers]\nauto_download = False\n"
        return str(self.xdg / "astropy" / "astropy.cfg"), text
