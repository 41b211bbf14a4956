"""Writes the files of configs/ that are made from the models of the settings.

python -m astran.telescopes.examples FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from astran.base.files import write_atomic
from astran.config.examples import analysis_example, site_example
from astran.telescopes.registry import find_chain


def main(argv: Sequence[str] | None = None) -> int:
    """Write both examples into a folder."""
    (folder,) = map(Path, sys.argv[1:] if argv is None else argv)
    write_atomic(folder / "site.example.yml", site_example())
    write_atomic(folder / "analysis.example.yml", analysis_example(find_chain().settings_type))
    return 0


if __name__ == "__main__":
    sys.exit(main())
