"""Whose pickles may be loaded: a pickle runs what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from astran.dl2.errors import NotTrusted


def require_trusted(models: Path, trusted: Sequence[Path]) -> None:
    """Raise NotTrusted unless pickles may be loaded from a folder of models.

    Parameters
    ----------
    trusted : folders; what lies below one of them may be loaded
    """
    real = models.resolve()
    if not any(real.is_relative_to(folder.resolve()) for folder in trusted):
        known = ", ".join(map(str, trusted)) or "none"
        raise NotTrusted(
            f"The models in {models} have to be loaded, but their folder is not trusted "
            f"(trusted: {known}).",
            "A pickle runs code when it is loaded. If these are yours, name the folder with "
            "--trust, or as data.models in the site configuration.",
        )
