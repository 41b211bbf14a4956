"""Reading YAML files: safely, with clear errors, the site's from a known place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from astran.base.errors import ConfigError
from astran.config.model import build_settings
from astran.config.site import SiteConfig

if TYPE_CHECKING:
    _Loader = yaml.SafeLoader
else:
    # the one written in C is much faster; not every build of PyYAML has it
    _Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SITE_VARIABLE = "ASTRAN_SITE"


_VERSIONS = frozenset({"lstchain", "default"})
"""Keys whose value may be a version: 0.10 is not the number 0.1."""


class _UniqueKeys(_Loader):
    """Safe loader that refuses a key given twice, which YAML would silently overwrite, and leaves
    versions as they are written."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, value_node in node.value:
        _keep(key_node)
        if key_node.value in _VERSIONS:
            _keep(value_node)
        key = loader.construct_object(key_node)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} stands twice (line {line})",
                problem_mark=key_node.start_mark,
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _keep(node: yaml.Node) -> None:
    """Take a number for the text that stands there."""
    if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS:
        node.tag = yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG


_NUMBERS = frozenset({"tag:yaml.org,2002:float", "tag:yaml.org,2002:int"})


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises
    ------
    ConfigError : not there, no YAML, no mapping, a key given twice
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path} cannot be read: {reason}.") from error
    try:
        data = yaml.load(text, _UniqueKeys)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise ConfigError(f"{path} is not valid YAML{place}: {problem}.") from error
    if data is None:
        data = {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(f"{path} must hold `key: value` lines.")
    return data


def read_yaml_value(name: str, text: str) -> Any:
    """The value of one key, as a file would give it: a version stays as it is written.

    Parameters
    ----------
    name : of the key, dotted or not

    Raises
    ------
    ConfigError : no YAML
    """
    try:
        node = yaml.compose(text, _UniqueKeys)
        if node is None:
            return None
        if name.strip().rpartition(".")[2] in _VERSIONS:
            _keep(node)
        loader = _UniqueKeys("")
        try:
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: the value {text!r} cannot be read.") from error


def site_path(given: str | Path | None = None) -> Path:
    """Where the site configuration is: as given, else $ASTRAN_SITE, else ./site.yml, else
    ~/.config/astran/site.yml."""
    if given:
        return Path(given).expanduser()
    if os.environ.get(SITE_VARIABLE):
        return Path(os.environ[SITE_VARIABLE]).expanduser()
    home = Path("~/.config/astran/site.yml").expanduser()
    for candidate in (Path("site.yml"), home):
        if candidate.is_file():
            return candidate
    raise ConfigError(
        "No site configuration was found.",
        cure="Make one with `astran init`, or name one with --site FILE or $ASTRAN_SITE.",
    )


def load_site(path: Path) -> SiteConfig:
    """The site configuration (ConfigError with every problem otherwise)."""
    site = build_settings(SiteConfig, read_yaml(path), f"The site configuration {path}")
    return site.read_from(path)
