"""Which chains there are. A chain is loaded when it is first asked for."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from astran.base.errors import ConfigError
from astran.telescopes.chain import TelescopeChain

DEFAULT = "LST-1"
_BUILT_IN = {DEFAULT: "astran.telescopes.lst.chain:CHAIN"}
_GROUP = "astran.telescopes"
"""Entry points of packages that bring a chain along."""
_OF_FILES = "astran_chain_"
_of_site: dict[str, str] = {}


def register_chains(chains: Mapping[str, str]) -> None:
    """Make the chains known that a site names: telescope to `module:attribute` or
    `FILE.py:attribute`."""
    _of_site.update(chains)


def find_chain(telescope: str = "") -> TelescopeChain[Any]:
    """The chain of a telescope; case, blanks and punctuation do not matter.

    Parameters
    ----------
    telescope : its name, or where its chain is (`module:attribute`); empty: LST-1

    Raises
    ------
    ConfigError : no such chain, or it cannot be loaded
    """
    reference = telescope if ":" in telescope else _reference(telescope or DEFAULT)
    module, _, attribute = reference.rpartition(":")
    try:
        loaded = _load_file(Path(module)) if module.endswith(".py") else import_module(module)
        chain: TelescopeChain[Any] = getattr(loaded, attribute)
    except (ImportError, OSError, AttributeError) as error:
        raise ConfigError(
            f"The chain {reference} cannot be loaded: {error}.",
            cure="Correct `telescopes` in the site configuration, or install what it names.",
        ) from error
    return chain


def _load_file(path: Path) -> ModuleType:
    """A chain that is one file, outside of any package."""
    name = f"{_OF_FILES}{sha256(str(path).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = module_from_spec(spec)
        # models in it look their types up there
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def chain_reference(telescope: str) -> str:
    """What a job finds the chain by, which knows nothing of the site; empty: LST-1."""
    reference = _reference(telescope or DEFAULT)
    return "" if reference == _BUILT_IN[DEFAULT] else reference


def _reference(telescope: str) -> str:
    known = {_squash(name): target for name, target in (_BUILT_IN | _of_site).items()}
    wanted = _squash(telescope)
    if wanted not in known:
        known |= {_squash(one.name): one.value for one in entry_points(group=_GROUP)}
    if wanted not in known:
        names = sorted({*_BUILT_IN, *_of_site, *(one.name for one in entry_points(group=_GROUP))})
        raise ConfigError(
            f"The telescope {telescope!r} is not known here.",
            cure=f"Known telescopes: {', '.join(names)}.",
        )
    return known[wanted]


def _squash(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
