"""What was found, in one sentence, with its flux: the top of letters, pages and terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from astran.base.night import Night
from astran.base.text import count_noun, one_line
from astran.report.formatting import (
    finite_number,
    format_livetime,
    format_measured,
    format_significance,
)
from astran.results.document import Results
from astran.results.spectral_parts import Spectrum, SpectrumNumbers

DETECTION, HINT = 5.0, 3.0
"""Significances [sigma] from which a source counts as detected, and as worth a second look."""
LEAST_EXCESS, LEAST_FRACTION = 10.0, 0.05
"""A detection also needs so many excess events, and so much of the background: the conventions of
published sensitivities (gammapy.estimators.SensitivityEstimator, `gamma_min` and
`bkg_syst_fraction`)."""


class SourceFinding(StrEnum):
    """What an analysis says of its target."""

    DETECTED = "detected"
    HINT = "hint"
    NOTHING = "nothing"
    DEFICIT = "deficit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of an analysis."""

    finding: SourceFinding
    significance: str
    """`27.7 sigma`; `no significance` where there is none."""
    sentence: str
    flux: str
    """The flux or its limit, or why there is neither."""


def make_verdict(results: Results, target: str, night: str) -> Verdict:
    """The verdict on `target`, observed in `night` unless the results name several.

    Its trials are those of the analysis: one position with one set of cuts, both fixed before the
    events were looked at; of several nights the strongest one counts as many trials as there are
    nights.
    """
    name, flux = one_line(target, 60), describe_flux(results.spectrum)
    nights = results.nights
    if len(nights) > 1:
        night = (
            f"{len(nights)} nights, {Night.parse(nights[0]).iso} to {Night.parse(nights[-1]).iso}"
        )
    significance = finite_number(results.stacked.significance)
    if significance is None:
        unknown = f"{name} on {night}: the significance is not known."
        return Verdict(SourceFinding.UNKNOWN, "no significance", unknown, flux)
    finding = _finding(significance)
    found = format_significance(significance)
    time = format_livetime(results.stacked.livetime_h)
    runs = count_noun(len(results.runs), "run")
    of_runs = f" of {runs}" if results.runs else ""
    said = (
        f"{_WORDS[finding].format(name=name, night=night)}: {found} in {time}{of_runs}, one trial"
    )
    more = [_strongest_night(results)] if finding is not SourceFinding.DETECTED else []
    if finding in (SourceFinding.HINT, SourceFinding.NOTHING):
        more.append(describe_sensitivity(results))
    elif finding is SourceFinding.DEFICIT:
        more.append("so large a deficit points to a fault of the background")
    return Verdict(finding, found, f"{'; '.join(filter(None, (said, *more)))}.", flux)


_WORDS = {
    SourceFinding.DETECTED: "{name} is detected on {night}",
    SourceFinding.HINT: "A hint of {name} on {night}, no detection",
    SourceFinding.NOTHING: "{name} is not seen on {night}",
    SourceFinding.DEFICIT: "{name} is not seen on {night}",
}


def _finding(significance: float) -> SourceFinding:
    # judged as it is printed: 5.0 sigma is a detection wherever it is read
    shown = round(significance, 1)
    if shown >= DETECTION:
        return SourceFinding.DETECTED
    if shown >= HINT:
        return SourceFinding.HINT
    return SourceFinding.DEFICIT if shown <= -DETECTION else SourceFinding.NOTHING


def _strongest_night(results: Results) -> str:
    """The strongest of several nights, where it alone is more than a fluctuation."""
    nights = [n for n in results.by_night or () if finite_number(n.significance) is not None]
    if len(nights) < 2:
        return ""
    best = max(nights, key=lambda night: night.significance)
    after = after_trials(best.significance, len(nights))
    if after < HINT:
        return ""
    return (
        f"the strongest of {len(nights)} nights, {Night.parse(best.night).iso}, has "
        f"{format_significance(best.significance)}, {format_significance(after)} after "
        f"{len(nights)} trials"
    )


def after_trials(significance: float, trials: int) -> float:
    """The significance [sigma] of the largest of so many independent ones.

    p after n trials = 1 - (1 - p)^n, with the probabilities of one side of a normal distribution.
    """
    if trials <= 1:
        return significance
    chance = 0.5 * math.erfc(significance / math.sqrt(2))
    return -_NORMAL.inv_cdf(after) if 0 < (after := _any_of(chance, trials)) < 1 else significance


_NORMAL = NormalDist()


def _any_of(chance: float, trials: int) -> float:
    return -math.expm1(trials * math.log1p(-chance)) if chance < 1 else 1.0


def describe_sensitivity(results: Results) -> str:
    """What this exposure would have detected; empty where the counts do not tell."""
    spectrum = results.spectrum.numbers
    crab = spectrum.crab if spectrum else None
    expected = finite_number(crab.expected_excess) if crab else None
    if spectrum and expected:
        alpha = (spectrum.n_on - spectrum.excess) / spectrum.n_off if spectrum.n_off else math.nan
        if needed := detectable_excess(spectrum.n_off, alpha):
            return f"a source of {needed / expected:.2g} Crab would have been {DETECTION:g} sigma"
    stacked = results.stacked
    if needed := detectable_excess(stacked.n_off, stacked.alpha):
        return f"an excess of {needed:.0f} would have been {DETECTION:g} sigma"
    return ""


def detectable_excess(n_off: float, alpha: float) -> float | None:
    """The excess that would be a detection over this background [events]; None: unknown.

    The least excess for which Li & Ma's significance is `DETECTION`, if it is not smaller than
    `LEAST_EXCESS` and `LEAST_FRACTION` of the background.
    """
    off, ratio = finite_number(n_off), finite_number(alpha)
    if off is None or ratio is None or off < 0 or ratio <= 0:
        return None
    background = ratio * off
    low, high = 0.0, LEAST_EXCESS
    while _li_ma(background + high, off, ratio) < DETECTION:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if _li_ma(background + middle, off, ratio) < DETECTION:
            low = middle
        else:
            high = middle
    return max(high, LEAST_EXCESS, LEAST_FRACTION * background)


def _li_ma(n_on: float, n_off: float, alpha: float) -> float:
    """Significance of an excess (Li & Ma 1983, ApJ 272, 317, equation 17); no counts: zero."""
    total = n_on + n_off
    on = n_on * math.log((1 + alpha) / alpha * n_on / total) if n_on > 0 else 0.0
    off = n_off * math.log((1 + alpha) * n_off / total) if n_off > 0 else 0.0
    return math.sqrt(max(2 * (on + off), 0.0))


def describe_flux(spectrum: Spectrum) -> str:
    """`Flux 1.02 ± 0.05 Crab, (2.30 ± 0.12)e-10 cm-2 s-1 from 0.3 to 10 TeV.`"""
    found = spectrum.numbers
    if found is None:
        return one_line(f"No flux: {spectrum.reason}", 300) if spectrum.reason else ""
    parts = [part for part in (_crab(found), _integral(found)) if part]
    if not parts:
        return ""
    limit = found.flux.is_limit
    level = " (95 % confidence)" if limit else ""
    word = "Flux below" if limit else "Flux"
    return f"{word} {', '.join(parts)}{_range(found)}{level}."


def _crab(found: SpectrumNumbers) -> str:
    crab = found.crab
    if crab is None:
        return ""
    if not found.flux.is_limit:
        known = finite_number(crab.value) is not None
        return format_measured(crab.value, crab.error, "Crab") if known else ""
    return f"{crab.upper_limit:.2g} Crab" if crab.upper_limit and crab.upper_limit > 0 else ""


def _integral(found: SpectrumNumbers) -> str:
    flux = found.flux
    value = finite_number(flux.upper_limit if flux.is_limit else flux.value)
    if value is None or value <= 0:
        return ""
    if flux.is_limit:
        return f"{value:.2g} cm-2 s-1"
    power = math.floor(math.log10(value))
    unit = 10.0**power
    error = finite_number(flux.error)
    shown = format_measured(value / unit, None if error is None else error / unit)
    return f"({shown})e{power} cm-2 s-1"


def _range(found: SpectrumNumbers) -> str:
    low, high = finite_number(found.energy_min_tev), finite_number(found.energy_max_tev)
    return f" from {low:.3g} to {high:.3g} TeV" if low is not None and high is not None else ""
