"""ASTRAN: Advanced System for Telescope Results and Analysis of the Night.

One mail in, one analysis run exactly once, one truthful answer out.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """`from astran import Client` loads the engine; `import astran` alone stays light."""
    if name != "Client":
        raise AttributeError(f"module 'astran' has no attribute {name!r}")
    return import_module("astran.service.client").Client
