"""The folder tree of a simulated night, named as on La Palma, and the site settings for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astran.base.night import Night
from astran.demo.montecarlo import EventSample, SimulatedNode

DECLINATION = "dec_2276"
"""Declination line of the training pointings: that of the Crab."""
DL1_VERSION = "v0.12"
TAILCUT = "tailcut84"


@dataclass(frozen=True, slots=True)
class DataTree:
    """Where everything lies below `root`."""

    root: Path
    night: Night
    production: str
    """Name of the Monte Carlo production."""

    @property
    def scratch(self) -> Path:
        """For work in progress; gone when the night is complete."""
        return self.root / ".scratch"

    @property
    def truth(self) -> Path:
        return self.root / "truth.json"

    def gammas(self, run: int) -> Path:
        """Event ids of the true gammas of a run."""
        return self.root / "truth" / f"gammas_LST-1.Run{run:05d}.json"

    def dl1(self, run: int) -> Path:
        name = f"dl1_LST-1.Run{run:05d}.h5"
        return self.root / "real/DL1" / str(self.night) / DL1_VERSION / TAILCUT / name

    @property
    def run_catalog(self) -> Path:
        return self.root / "real/monitoring/RunCatalog" / f"RunCatalog_{self.night}.ecsv"

    @property
    def run_summary(self) -> Path:
        return self.root / "real/monitoring/RunSummary" / f"RunSummary_{self.night}.ecsv"

    @property
    def models(self) -> Path:
        return self.root / "models/AllSky" / self.production / DECLINATION

    @property
    def lstchain_config(self) -> Path:
        return self.models / "lstchain_config.json"

    def training(self, sample: EventSample) -> Path:
        """Folder of the DL1 nodes to train on."""
        base = self.root / "mc/DL1/AllSky" / self.production / "TrainingDataset"
        return base / sample.value / DECLINATION

    def training_node(self, sample: EventSample, node: SimulatedNode, number: int) -> Path:
        return self.training(sample) / node.name / f"dl1_simtel_{node.name}run{number}.h5"

    def merged(self, sample: EventSample) -> Path:
        name = f"dl1_{self.production}_train_{DECLINATION}_{sample.value}_merged.h5"
        return self.training(sample) / name

    def _test_name(self, level: str, node: SimulatedNode) -> str:
        return f"{level}_{self.production}_Gamma_test_{node.name}_merged.h5"

    def test_dl1(self, node: SimulatedNode) -> Path:
        base = self.root / "mc/DL1/AllSky" / self.production / "TestingDataset/Gamma"
        return base / node.name / self._test_name("dl1", node)

    def test_dl2(self, node: SimulatedNode) -> Path:
        base = self.root / "mc/DL2/AllSky" / self.production / "TestingDataset/Gamma" / DECLINATION
        return base / node.name / self._test_name("dl2", node)

    def data_settings(self) -> dict[str, Any]:
        """The `data` section of a site configuration that works on this tree."""
        real, production = self.root / "real", self.production
        mc = self.root / "mc/DL2/AllSky" / production / "TestingDataset/Gamma" / DECLINATION
        return {
            "dl1": str(real / "DL1/{date}/{version}/{tailcut}/dl1_LST-1.Run{run}.h5"),
            "run_catalog": str(real / "monitoring/RunCatalog/RunCatalog_{date}.ecsv"),
            "models": str(self.models),
            "lstchain_config": str(self.lstchain_config),
            "mc_dl2": str(mc / "node_*" / "dl2_*.h5"),
            # the files are complete: they were moved into place
            "settle_s": 0.0,
        }
