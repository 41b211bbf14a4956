"""Fits of spectra that exist: OGIP files (PHA with BKG, ARF and RMF), of ASTRAN or of others.

Format: https://heasarc.gsfc.nasa.gov/docs/heasarc/ofwg/docs/spectra/ogip_92_007/node5.html
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from astran.base.errors import ConfigError, ProductError
from astran.config.analysis import EblModel, HighlevelSettings
from astran.highlevel.spectral.absorption import Absorption, NoAbsorption
from astran.highlevel.spectral.fit import FREE, Model, SpectralChoice, fit_model
from astran.highlevel.spectral.irfs import FAULTS
from astran.highlevel.spectral.result_parts import model_part
from astran.results.spectral_parts import ModelFit

EDGE_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class OgipSpectra:
    """Spectra, and the range of energies that is to be used of them [TeV]; none: no limit."""

    path: Path
    """A PHA file, or a folder of them; each names its BKG, ARF and RMF files."""
    energy_min: float | None = None
    energy_max: float | None = None

    @classmethod
    def parse(cls, text: str) -> OgipSpectra:
        """From `PATH` or `PATH@LOW:HIGH`. ConfigError where the range is none."""
        place, _, limits = text.partition("@")
        low, _, high = limits.partition(":")
        try:
            source = cls(Path(place), *(float(end) if end else None for end in (low, high)))
        except ValueError as error:
            raise ConfigError(f"{text!r}: write PATH@LOW:HIGH, energies in TeV.") from error
        if source.energy_min and source.energy_max and source.energy_min >= source.energy_max:
            raise ConfigError(f"{text!r}: the lower energy comes first.")
        return source


@dataclass(frozen=True, slots=True)
class RefittedSpectra:
    """Spectra that were fitted together."""

    files: tuple[str, ...]
    energy_min_tev: float
    energy_max_tev: float
    """Actual edges."""
    models: tuple[ModelFit, ...]


def refit(sources: Sequence[OgipSpectra], choice: SpectralChoice = FREE) -> RefittedSpectra:
    """Fit a power law and a log-parabola, or what `choice` says, to spectra together; bins that a
    file marks as bad are not used.

    Raises
    ------
    ProductError : a file cannot be read, has no bin in its range, or neither model converges
    """
    sets: list[Any] = []
    ends: list[tuple[float, float]] = []
    files: list[str] = []
    for source in sources:
        for path in _listed(source.path):
            data = _read(path, len(sets))
            ends.append(_limit(data, source, path))
            sets.append(data)
            files.append(str(path))
    found = [fit_model(sets, kind, choice) for kind in choice.kinds]
    models: list[Model] = [model for model in found if model is not None]
    if not models:
        raise ProductError(f"No fit converged, of {' nor of '.join(choice.kinds)}.")
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    fits = tuple(model_part(model, low, high) for model in models)
    return RefittedSpectra(tuple(files), low, high, fits)


def choose_model(settings: HighlevelSettings) -> SpectralChoice:
    """What is to be fitted to files, which do not say where their source is.

    Raises
    ------
    ConfigError : absorption without a redshift, or `ebltable` is not installed
    """
    choice = SpectralChoice(settings.spectral_model, settings.spectral_index)
    if settings.ebl is EblModel.NONE:
        return choice
    if settings.redshift is None:
        raise ConfigError("--ebl needs the redshift of the source.", cure="Add --redshift Z.")
    try:
        return replace(choice, absorption=Absorption.load(settings.ebl, settings.redshift))
    except NoAbsorption as error:
        raise ConfigError(error.message, cure=error.cure) from error


def _listed(path: Path) -> list[Path]:
    found = sorted(path.glob("pha_*.fits*")) if path.is_dir() else [path]
    if not found:
        raise ProductError(f"There is no pha_*.fits in {path}.", "Name PHA files or their folder.")
    return found


def _read(path: Path, number: int) -> Any:
    from gammapy.datasets import SpectrumDatasetOnOff

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = SpectrumDatasetOnOff.read(path, name=f"{number}-{path.stem}")
    except FAULTS as error:
        said = str(error).splitlines()[:1] or [type(error).__name__]
        raise ProductError(f"The spectrum {path} cannot be read: {said[0]}") from error
    if data.counts_off is None:
        raise ProductError(f"The spectrum {path} names no BKG file.")
    return data


def _limit(data: Any, source: OgipSpectra, path: Path) -> tuple[float, float]:
    """Use only the bins within the range; returns the edges of what is left [TeV]."""
    edges = data.counts.geom.axes["energy"].edges.to_value("TeV")
    keep = np.ones(edges.size - 1, bool)
    if source.energy_min is not None:
        keep &= edges[:-1] >= source.energy_min * (1 - EDGE_ROUNDING)
    if source.energy_max is not None:
        keep &= edges[1:] <= source.energy_max * (1 + EDGE_ROUNDING)
    if data.mask_safe is not None:
        keep &= np.asarray(data.mask_safe.data, bool).ravel()
    index = np.flatnonzero(keep)
    if not index.size:
        raise ProductError(f"No energy bin of {path} lies in the wanted range.")
    data.mask_safe = type(data.counts).from_geom(data.counts.geom, data=keep.reshape(-1, 1, 1))
    return float(edges[index[0]]), float(edges[index[-1] + 1])
