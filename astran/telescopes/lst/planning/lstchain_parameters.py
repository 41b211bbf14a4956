"""Parameters of lstchain itself in a request: judged by what the installed release says of them.

Two kinds: entries of lstchain's JSON configuration, read from DL1 to DL2 (`lstchain_config`), and
parameters of the tools that make IRFs and DL3 (`dl3.tool`). Names and types are lstchain's own;
what would make a wrong product without a word is refused, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from astran.base.errors import Problem
from astran.base.night_data import MonteCarlo
from astran.config.model import nearest_word
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.event_cuts import cut_against
from astran.telescopes.lst.settings import Dl3Settings, LstConfig, StartLevel

JSON, TOOL = "lstchain_config", "dl3.tool"
_TRAINED = "must be the features that the models were trained with."
_REFUSED_JSON = {
    "events_filters": (
        "would thin the events before lstchain counts the livetime from the gaps between them.",
        "Select events with `dl3.intensity_min` or `EventSelector.filters.<parameter>`.",
    ),
    "source_dependent": ("is for source-dependent analyses, which ASTRAN does not make.", ""),
    "energy_regression_features": (_TRAINED, ""),
    "disp_regression_features": (_TRAINED, ""),
    "disp_classification_features": (_TRAINED, ""),
    "particle_classification_features": (_TRAINED, ""),
}
_REFUSED_LEAVES = {
    "n_jobs": (
        "is the number of cores, which the site sets.",
        "Ask the operator for scheduler.resources.dl2.cpus.",
    ),
}
READ_FROM_DL1 = frozenset({"random_forest_zd_interpolation", "disp_method", "allowed_tels"})
"""Top-level entries that lstchain_dl1_to_dl2 reads; the others steer training or make DL1."""
_OWN_KEY = {
    "DL3Cuts.global_gh_cut": "dl3.gammaness_cut",
    "DL3Cuts.global_theta_cut": "dl3.theta_cut",
    "DL3Cuts.gh_efficiency": "dl3.gh_efficiency",
    "DL3Cuts.theta_containment": "dl3.theta_containment",
    "DataReductionFITSWriter.use_nearest_irf_node": "dl3.nearest_irf",
    "DataReductionFITSWriter.source_name": "target",
    "DataReductionFITSWriter.source_ra": "ra",
    "DataReductionFITSWriter.source_dec": "dec",
    "IRFFITSWriter.energy_dependent_gh": "dl3.cuts",
    "IRFFITSWriter.energy_dependent_theta": "dl3.cuts",
    "IRFFITSWriter.point_like": "dl3.irf_kind",
    "IRFFITSWriter.input_proton_dl2": "dl3.background",
    "IRFFITSWriter.input_electron_dl2": "dl3.background",
}
"""Parameters that have a key in ASTRAN's own configuration."""
_NOT_NEGATIVE = frozenset(
    {
        "DL3Cuts.min_theta_cut",
        "DL3Cuts.max_theta_cut",
        "DL3Cuts.fill_theta_cut",
        "DL3Cuts.min_gh_cut",
        "DL3Cuts.max_gh_cut",
        "DL3Cuts.min_event_p_en_bin",
        "IRFFITSWriter.irf_obs_time",
    }
)
"""Angles, gammaness, counts and times: lstchain takes any number, without a word."""
_COMPONENTS = frozenset({"EventSelector", "DL3Cuts", "DataBinning"})
_OF_TOOLS = frozenset(
    {
        "IRFFITSWriter.irf_obs_time",
        "DataReductionFITSWriter.interp_method",
        "DataReductionFITSWriter.keep_duplicated_events",
    }
)
"""What may be set of the tools themselves; the rest are inputs, outputs and logs."""
_COLUMN_NAMES = """
intensity log_intensity x y r phi length length_uncertainty width width_uncertainty psi skewness
kurtosis time_gradient intercept leakage_intensity_width_1 leakage_intensity_width_2
leakage_pixels_width_1 leakage_pixels_width_2 n_pixels concentration_cog concentration_core
concentration_pixel n_islands alt_tel az_tel wl event_type tel_id log_reco_energy reco_energy
reco_disp_norm reco_disp_sign reco_disp_sign_proba reco_disp_dx reco_disp_dy reco_src_x reco_src_y
reco_alt reco_az gammaness reco_type signed_time_gradient signed_skewness
"""
_COLUMNS = frozenset(_COLUMN_NAMES.split())
"""Columns of lstchain's DL2 that both observed data and Monte Carlo have."""


def parameter_problems(config: LstConfig, tools: Toolset) -> tuple[Problem, ...]:
    """What is wrong with the parameters of lstchain in a request."""
    found: list[Problem] = []
    if config.lstchain_config and config.start is not StartLevel.DL1:
        text = f"changes nothing, as the analysis starts from {config.start.upper()}."
        found.append(Problem(JSON, text, "Leave it out."))
    elif config.lstchain_config and not tools.standard:
        found.append(_silent(JSON, tools))
    else:
        found += _json(config.lstchain_config, tools.standard)
    tool = config.dl3.tool
    if tool and config.start is StartLevel.DL3:
        text = "changes nothing, as the analysis starts from DL3."
        found.append(Problem(TOOL, text, "Leave it out."))
    elif tool and not tools.traits:
        found.append(_silent(TOOL, tools))
    else:
        found += _tool(config, tools.traits)
    return tuple(found)


def ineffective_parameters(given: Mapping[str, Any]) -> list[str]:
    """Notes on entries that lstchain does not read between DL1 and DL2."""
    idle = sorted(set(given) - READ_FROM_DL1)
    if not idle:
        return []
    return [
        f"lstchain does not read {', '.join(idle)} from DL1 to DL2, but in training or when DL1 is "
        "made: set as asked, it changes no value here."
    ]


def unlike_monte_carlo(given: Mapping[str, Any], levels: Sequence[MonteCarlo]) -> list[str]:
    """A note where the data are reconstructed otherwise than Monte Carlo that was there before."""
    own = sorted(set(given) & READ_FROM_DL1)
    ready = [one for one in levels if not any(node.dl1 for node in one.nodes)]
    if not own or not ready:
        return []
    return [
        f"The Monte Carlo of the IRFs is ready DL2, not made with {', '.join(own)} of the request: "
        "whether the IRFs describe these data was not checked. Monte Carlo as DL1 (data.mc_dl1) is "
        "reconstructed as the data are."
    ]


def _silent(where: str, tools: Toolset) -> Problem:
    text = f"cannot be judged: lstchain {tools.version} did not tell its parameters."
    return Problem(where, text, "Choose another version with the key `lstchain`.")


# ---- the JSON configuration ----------------------------------------------------------------------


def _json(given: Mapping[str, Any], standard: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in given.items():
        where = f"{JSON}.{name}"
        if name in _REFUSED_JSON:
            yield Problem(where, *_REFUSED_JSON[name])
        elif name not in standard:
            yield _unknown(where, name, standard, JSON)
        else:
            yield from _entry(where, value, standard[name])


def _entry(where: str, value: Any, default: Any) -> Iterator[Problem]:
    leaf = where.rpartition(".")[2]
    if leaf in _REFUSED_LEAVES:
        yield Problem(where, *_REFUSED_LEAVES[leaf])
    elif isinstance(default, Mapping) and default:
        if not isinstance(value, Mapping):
            names = ", ".join(sorted(default)[:6])
            hint = f"Name one of its parameters: {names}."
            yield Problem(where, "holds parameters, not a value.", hint)
            return
        for name, inner in value.items():
            if name in default:
                yield from _entry(f"{where}.{name}", inner, default[name])
            else:
                yield _unknown(f"{where}.{name}", name, default, where)
    elif wrong := _unlike(value, default):
        yield Problem(where, wrong, f"lstchain's own is {_shown(default)}.")


def _unknown(where: str, name: str, known: Mapping[str, Any], parent: str) -> Problem:
    guess = nearest_word(name, known)
    hint = f"Did you mean {parent}.{guess}?" if guess else f"Known: {', '.join(sorted(known))}."
    return Problem(where, "lstchain has no such parameter.", hint)


def _unlike(value: Any, default: Any) -> str:
    """Why a value is not of the kind of a default; empty: it is."""
    if is_number(default):
        return "" if is_number(value) else f"{_shown(value)} is no number."
    match default:
        case bool():
            return "" if isinstance(value, bool) else f"{_shown(value)} is neither yes nor no."
        case str():
            return "" if isinstance(value, str) else f"{_shown(value)} is no word."
        case list():
            if not isinstance(value, list):
                return f"{_shown(value)} is no list."
            kinds = {bool: "truth value", str: "word"}
            kind = next((k for k in kinds if default and isinstance(default[0], k)), None)
            for item in value:
                if default and _unlike(item, default[0]):
                    return f"{_shown(item)} in the list is no {kinds.get(kind or float, 'number')}."
    return ""


# ---- the tools -----------------------------------------------------------------------------------


def _tool(config: LstConfig, traits: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    for group, given in config.dl3.tool.items():
        where = f"{TOOL}.{group}"
        known = traits.get(group)
        if known is None:
            yield _unknown(where, group, traits, TOOL)
        elif not isinstance(given, Mapping):
            yield Problem(where, "holds parameters, not a value.", f"Known: {', '.join(known)}.")
        else:
            for name, value in given.items():
                yield from _trait(config, group, name, value, known)


def _trait(
    config: LstConfig, group: str, name: str, value: Any, known: Mapping[str, Any]
) -> Iterator[Problem]:
    where, full = f"{TOOL}.{group}.{name}", f"{group}.{name}"
    if name not in known:
        yield _unknown(where, name, known, f"{TOOL}.{group}")
    elif full in _OWN_KEY:
        yield Problem(where, "has a key of its own.", f"Write `{_OWN_KEY[full]}` instead.")
    elif "alpha" in name or name == "source_dep":
        text, hint = _REFUSED_JSON["source_dependent"]
        yield Problem(where, text, hint)
    elif group not in _COMPONENTS and full not in _OF_TOOLS:
        free = ", ".join(sorted(_OF_TOOLS))
        yield Problem(where, "is set by ASTRAN itself.", f"Of the tools may be set: {free}.")
    elif full == "EventSelector.filters":
        yield from _filters(where, value, config.dl3)
    elif full == "EventSelector.finite_params":
        columns = value if isinstance(value, list) else [value]
        unknown = (one for one in columns if not isinstance(one, str) or one not in _COLUMNS)
        yield from (_column(where, one) for one in unknown)
    elif full in _NOT_NEGATIVE and is_number(value) and float(value) < 0:
        yield Problem(where, f"{_shown(value)} is below zero.", "Give zero or more.")
    elif wrong := _not_of(known[name], value):
        yield Problem(where, wrong, f"lstchain's own is {_shown(known[name]['default'])}.")


def _not_of(trait: Mapping[str, Any], value: Any) -> str:
    choices = trait.get("choices")
    if choices and value not in choices:
        return f"{_shown(value)} is none of {', '.join(map(str, choices))}."
    match trait["kind"]:
        case "Int" | "Integer" | "CInt":
            whole = isinstance(value, int) and not isinstance(value, bool)
            return "" if whole else f"{_shown(value)} is no whole number."
        case "Float" | "CFloat":
            finite = is_number(value) and math.isfinite(float(value))
            return "" if finite else f"{_shown(value)} is no number."
        case "Bool" | "CBool":
            return _unlike(value, False)
        case "Unicode" | "CaselessStrEnum":
            return _unlike(value, "")
        case "List":
            return _unlike(value, trait["default"] or [])
    return ""


def _filters(where: str, value: Any, dl3: Dl3Settings) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(where, "holds limits by parameter.", f"Write {where}.length: [0.1, inf].")
        return
    for name, limits in value.items():
        place = f"{where}.{name}"
        if name not in _COLUMNS:
            yield _column(place, name)
        elif name == "event_type":
            text = "is fixed: only shower events are analysed."
            yield Problem(place, text, "Leave it out.")
        elif not _is_range(limits):
            hint = f"Write two numbers, for example {name}: [0.1, inf]."
            yield Problem(place, f"{_shown(limits)} is no range.", hint)
        elif (cut := cut_against(name, limits, dl3)) and cut.limit_of(dl3) is None:
            text = f"is chosen for each run, as {cut.key} is auto."
            yield Problem(place, text, f"Leave it out, or give {cut.key} a number.")
        elif cut:
            side, given = ("ends" if cut.upper else "begins"), limits[cut.upper]
            text = f"{side} at {given}, but {cut.key} is {cut.limit_of(dl3):g} {cut.unit}"
            yield Problem(place, text.rstrip(), f"Add `{cut.key}: {given}`.")


def _column(where: str, name: object) -> Problem:
    guess = nearest_word(str(name), _COLUMNS)
    hint = f"Did you mean {guess}?" if guess else "It takes the columns of lstchain's DL2."
    return Problem(where, f"{_shown(name)} is no column of DL2.", hint)


def _is_range(limits: Any) -> bool:
    return (
        isinstance(limits, Sequence)
        and len(limits) == 2
        and all(is_number(limit) for limit in limits)
        and float(limits[0]) <= float(limits[1])
    )


def is_number(value: Any) -> bool:
    """Whether it is a number, or infinity as configurations spell it."""
    if value in ("inf", "-inf"):
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = {True: "yes", False: "no", None: "nothing"}.get(value) if _plain(value) else None
    return text or str(value)[:60]


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)
