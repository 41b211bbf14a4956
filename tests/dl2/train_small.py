"""Trains small forests in whatever environment runs it, for a test of another lstchain release.

python train_small.py CONFIG.json DL1.h5 OUT
"""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import tables
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor


def main(config: Path, dl1: Path, out: Path) -> None:
    """Forests of the features that the configuration names, on events of a DL1 file."""
    features = {k: v for k, v in json.loads(config.read_text()).items() if k.endswith("_features")}
    with tables.open_file(str(dl1)) as handle:
        table = handle.get_node("/dl1/event/telescope/parameters/LST_LSTCam")
        data = pd.DataFrame.from_records(table.read(0, 6000))
    rng = np.random.default_rng(1)
    rows = len(data)
    data["alt_tel"] = rng.choice([0.9, 1.1, 1.3], rows)
    for name in sorted({name for names in features.values() for name in names} - set(data)):
        data[name] = rng.normal(size=rows)
    data = data.replace([np.inf, -np.inf], np.nan).fillna(0.0)
    words = {"n_estimators": 12, "max_depth": 18, "min_samples_leaf": 4, "n_jobs": 1}
    energy = np.log10(data["intensity"].clip(1)) + rng.normal(0, 0.3, rows)
    models = {
        "reg_energy": ("energy_regression", RandomForestRegressor, energy),
        "reg_disp_norm": ("disp_regression", RandomForestRegressor, rng.random(rows)),
        "cls_disp_sign": ("disp_classification", RandomForestClassifier, rng.choice([-1, 1], rows)),
        "cls_gh": ("particle_classification", RandomForestClassifier, rng.choice([0, 101], rows)),
    }
    for name, (kind, forest, target) in models.items():
        x = data[features[f"{kind}_features"]]
        joblib.dump(forest(random_state=3, **words).fit(x, target), out / f"{name}.sav")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
