"""From what a mail says to a complete analysis configuration."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from astran.base.errors import CatalogueError, ConfigError, Problem
from astran.base.night import Night
from astran.config.analysis import AnalysisConfig, EblModel, Target
from astran.config.model import Settings, build_settings, dotted_fields
from astran.launch_language.keys import KeyTable, keys_of
from astran.launch_language.nights import NightSpan, spans_of
from astran.launch_language.parser import Parsed
from astran.launch_language.values import ALL_TARGETS
from astran.telescopes.configuration import build_analysis
from astran.telescopes.registry import find_chain

_APART_DEG = 0.5
"""A known source and coordinates given beside it may differ by so much."""


def resolve_config(
    parsed: Parsed,
    resolve_source: Callable[[str], Target],
    today: Night,
    telescope: str = "",
    find_redshift: Callable[[str], float | None] = lambda _: None,
) -> AnalysisConfig:
    """The analysis configuration that a mail asks for; of several nights and targets, that of the
    first.

    Parameters
    ----------
    parsed : what the mail says
    resolve_source : name of a source to its catalogue entry; CatalogueError for an unknown one
    today : the night that is going on, or the last one; later ones are in the future, and it is
        the date of a standing order's configuration
    telescope : where the mail names none
    find_redshift : name of a source to its redshift, where one is known

    Raises
    ------
    ConfigError : with every problem of the mail, those that `parsed` holds already included
    """
    problems = list(parsed.problems)
    given = dict(parsed.params)
    target = _first_target(given, resolve_source, parsed.lines, problems)
    if "date" in given:
        spans = spans_of(given["date"])
        given["date"] = spans[0].first.isoformat()
        if spans[-1].last > today.evening:
            reason = f"{spans[-1].last} is in the future."
            hint = f"The last night that can be asked for is {today}."
            problems.append(Problem("date", reason, hint, parsed.lines.get("date")))
    aside = ("target", "ra", "dec", "repeat", "cc", "priority")
    rest = {name: value for name, value in given.items() if name not in aside}
    repeat = given.pop("repeat", None)
    if repeat is not None and last_night(repeat) < today:
        hint = f"Name a later night: `repeat: until {today.evening.replace(month=12, day=31)}`."
        problems.append(Problem("repeat", "is over already.", hint, parsed.lines.get("repeat")))
    # placeholders stand in for what is missing, so that the model still judges all the rest
    rest["telescope"] = telescope = rest.get("telescope") or telescope
    try:
        keys = keys_of(telescope)
    except ConfigError as error:
        unknown = [Problem("telescope", error.message, error.cure)]
        raise ConfigError("The request cannot be used:", problems or unknown) from error
    data = _nested(rest, keys) | {"target": _PLACEHOLDER if target is None else target.model_dump()}
    data.setdefault("date", str(today))
    try:
        config = build_analysis(data, "The request")
    except ConfigError as error:
        problems += [_placed(problem, parsed.lines, keys.model) for problem in error.problems]
        config = None
    if config is not None and target is not None and _lacks_redshift(config, find_redshift):
        reason = f"needs the redshift of {target.name}, which is not known."
        line = parsed.lines.get("highlevel.ebl")
        problems.append(Problem("ebl", reason, "Add it: `redshift: 0.05`.", line))
    if problems or config is None:
        problems.sort(key=lambda problem: problem.line or 10**9)
        raise ConfigError("The request cannot be used:", problems)
    return config


def _lacks_redshift(config: AnalysisConfig, find_redshift: Callable[[str], float | None]) -> bool:
    settings = config.highlevel
    if settings.ebl is EblModel.NONE or settings.redshift is not None:
        return False
    return find_redshift(config.target.name) is None


@dataclass(frozen=True, slots=True)
class SeveralNights:
    """What a request for more than one night, or for more than one target, spans."""

    targets: tuple[str, ...]
    """As written; none: all that were observed."""
    spans: tuple[NightSpan, ...]

    @property
    def number(self) -> int:
        """Nights, each target by itself."""
        return sum(span.number for span in self.spans) * max(len(self.targets), 1)

    @property
    def words(self) -> str:
        """`Crab, Mrk421: 2023-12-07 to 2023-12-13`."""
        nights = ", ".join(map(str, self.spans))
        return f"{', '.join(self.targets) or 'all targets'}: {nights}"


def several_nights(params: Mapping[str, Any]) -> SeveralNights | None:
    """The nights and targets of a mail that asks for several; None for one night of one target."""
    target, date = params.get("target"), params.get("date")
    if date is None or target is None or not (isinstance(target, list) or isinstance(date, list)):
        return None
    names = (target,) if isinstance(target, str) else tuple(target)
    return SeveralNights(() if names == (ALL_TARGETS,) else names, spans_of(date))


def last_night(repeat: str) -> Night:
    """The last night of a standing order, `until YYYY-MM-DD`."""
    return Night.parse(repeat.removeprefix("until ").replace("-", ""))


def describe_resolved(config: AnalysisConfig, params: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as plain data; a standing order has `repeat` in place of its date."""
    data = config.plain()
    if "repeat" in params:
        del data["date"]
        data["repeat"] = params["repeat"]
    return data


def example_launch(parsed: Parsed | None = None) -> str:
    """A correct launch text, with the optional keys that a wrong one used."""
    values = {"target": "Crab", "date": "20231207", "runs": "15864, 15865"}
    used = list(parsed.params) if parsed else ["dl3.theta_cut", "dl3.gammaness_cut"]
    model = _model(str(parsed.params.get("telescope", "")) if parsed else "")
    for name in used:
        value = _default(name, model)
        if name not in values and value not in (None, ""):
            values[name] = str(value)
    comments = {"runs": "optional; without it, all runs of the night"}
    lines = [f"{name}: {value}" for name, value in values.items()]
    width = max(map(len, lines)) + 2
    for number, name in enumerate(values):
        if name not in ("target", "date"):
            lines[number] = f"{lines[number]:<{width}}# {comments.get(name, 'optional')}"
    return "\n".join(lines) + "\n"


def write_launch(params: Mapping[str, Any], wrong: Collection[str] = ()) -> str:
    """The launch text that says what was understood; without the keys whose values are wrong."""
    lines = [f"{name}: {_written(value)}" for name, value in params.items() if name not in wrong]
    return "\n".join(lines) + "\n" if lines else ""


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(type(each) in (int, str) for each in value):
        return ", ".join(map(str, value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "none" if value is None else str(value)


def _model(telescope: str) -> type[AnalysisConfig]:
    """The model of a telescope's configuration; the common one for an unknown telescope."""
    try:
        model: type[AnalysisConfig] = find_chain(telescope).settings_type
    except ConfigError:
        return AnalysisConfig
    return model


def _default(name: str, model: type[AnalysisConfig]) -> Any:
    """The configuration's default for a dotted name; None where it has none."""
    value: Any = {key: info.default for key, info in model.model_fields.items()}
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    return value if isinstance(value, str | int | float) else None


_PLACEHOLDER = {"name": "unknown", "ra": 0.0, "dec": 0.0}


def _first_target(
    given: Mapping[str, Any],
    resolve_source: Callable[[str], Target],
    lines: Mapping[str, int],
    problems: list[Problem],
) -> Target | None:
    """The target, or the first of several, of which each is judged."""
    names = given.get("target")
    if not isinstance(names, list):
        return _target(given, resolve_source, lines, problems)
    if names == [ALL_TARGETS]:
        return build_settings(Target, _PLACEHOLDER | {"name": ALL_TARGETS}, "The target")
    found = [_target({"target": name}, resolve_source, lines, problems) for name in names]
    return found[0]


def _target(
    given: Mapping[str, Any],
    resolve_source: Callable[[str], Target],
    lines: Mapping[str, int],
    problems: list[Problem],
) -> Target | None:
    name = given.get("target")
    if name is None:
        return None
    try:
        known = resolve_source(name)
    except CatalogueError as error:
        known = None
        unknown = Problem("target", error.message, error.cure, lines.get("target"))
    if "ra" not in given or "dec" not in given:
        if known is None:
            problems.append(unknown)
        return known
    try:
        own = build_settings(
            Target, {key: given[at] for key, at in _COORDINATES.items()}, "The target"
        )
    except ConfigError as error:
        problems += [_placed(problem, lines, Target) for problem in error.problems]
        return None
    if known is None:
        return own
    apart = _separation(own, known)
    if apart > _APART_DEG:
        problems.append(
            Problem(
                "ra, dec",
                f"lie {apart:.1f} deg from {known.name} ({known.ra:.3f}, {known.dec:.3f}).",
                "Leave them out, or give the target another name.",
                lines.get("ra"),
            )
        )
    return Target(name=known.name, ra=own.ra, dec=own.dec)


_COORDINATES = {"name": "target", "ra": "ra", "dec": "dec"}


def _separation(a: Target, b: Target) -> float:
    """Angle between two positions [deg], by the haversine formula."""
    ra1, dec1, ra2, dec2 = map(math.radians, (a.ra, a.dec, b.ra, b.dec))
    h = (
        math.sin((dec2 - dec1) / 2) ** 2
        + math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    )
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def _nested(params: Mapping[str, Any], keys: KeyTable) -> dict[str, Any]:
    """Dotted names to nested mappings."""
    data: dict[str, Any] = {}
    for name, value in params.items():
        # what lies below a free key the model nests by itself
        group = keys.free_group(name)
        *path, leaf = (group or name).split(".")
        place = data
        for part in path:
            place = place.setdefault(part, {})
        if not group:
            place[leaf] = value
        elif name == group:
            place.setdefault(leaf, {}).update(value)
        else:
            place.setdefault(leaf, {})[name[len(group) + 1 :]] = value
    return data


def _placed(problem: Problem, lines: Mapping[str, int], model: type[Settings]) -> Problem:
    where = problem.where
    line = lines.get(where)
    if line is None:
        # a check of a whole section, or an element of a list
        inside = [at for name, at in lines.items() if name.startswith(f"{where}.")]
        line = min(inside, default=lines.get(where.split(".")[0]))
    hint = problem.suggestion or dotted_fields(model).get(where, "")
    return Problem(where, problem.reason, hint, line)
