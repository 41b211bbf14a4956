"""Small HDF5 files that say what made them, in the words of lstchain_dl1_to_dl2."""

from __future__ import annotations

import json
from pathlib import Path

import h5py


def write_dl2(path: Path, lstchain: str = "0.12.3", models: str = "", record: bool = True) -> Path:
    """No events: only what a DL2 file tells of its origin, and where its table would be.

    Parameters
    ----------
    record : False: as before lstchain 0.10.16, with the version as attribute only
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "activity_name": "lstchain_dl1_to_dl2",
        "system": {
            "python": {
                "packages": [
                    {"name": "joblib", "version": "1.4.2"},
                    {"name": "lstchain", "version": lstchain},
                ]
            }
        },
        "input": [
            {"url": "/data/dl1_LST-1.Run15861.h5", "role": "dl1 input file"},
            {"url": models, "role": "trained model directory"},
        ],
    }
    with h5py.File(path, "w") as file:
        file.attrs["LSTCHAIN_VERSION"] = lstchain.encode()
        file.create_group("dl2/event/telescope/parameters/LST_LSTCam")
        if record:
            file.create_group("provenance").create_dataset("dl1_to_dl2", data=json.dumps(told))
    return path
