"""Command line of the high-level stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from astran.config.analysis import HighlevelSettings
from astran.config.site import SiteConfig
from astran.telescopes.lst.planning.argv import WORK
from astran.telescopes.lst.settings import LstConfig, StartLevel


def highlevel_argv(
    config: LstConfig,
    site: SiteConfig,
    dl3: str,
    runs: Sequence[int],
    versions: Sequence[tuple[str, str]],
    python: str,
) -> tuple[str, ...]:
    """theta2, sky map and significance of the DL3 in the folder `dl3`."""
    target = config.target
    words = [
        *(python, "-E", "-P", "-m", "astran.highlevel"),
        f"--dl3={dl3}",
        f"--target={target.name}",
        f"--ra={target.ra!r}",
        f"--dec={target.dec!r}",
        f"--date={config.date}",
        f"--output={WORK}/results",
    ]
    if runs:
        words.append(f"--runs={','.join(str(run) for run in runs)}")
    words += [f"--{name}={value}" for name, value in _choices(config)]
    if site.simulated:
        words.append("--simulated")
    for name, version in versions:
        words += ["--version", f"{name}={version}"]
    return tuple(words)


def _choices(config: LstConfig) -> Iterator[tuple[str, object]]:
    # DL3 that lstchain made holds its cut; a cut of another's DL3 is only changed on request
    chosen = config.start is StartLevel.DL3 and config.theta_cut_chosen
    # full-enclosure IRFs hold no theta cut
    full = config.start is not StartLevel.DL3 and config.dl3.full_enclosure
    if chosen or full:
        yield "theta-cut", config.dl3.theta_cut
    highlevel = config.highlevel
    optional = (
        ("off-regions", highlevel.off_regions),
        ("energy-min", highlevel.energy_min),
        ("energy-max", highlevel.energy_max),
    )
    yield from ((name, value) for name, value in optional if value is not None)
    yield from ((name.replace("_", "-"), value) for name, value in _spectral_choices(highlevel))
    yield "map-width", highlevel.map_width
    yield "map-bin", highlevel.map_bin
    yield "map-radius", highlevel.map_radius


def _spectral_choices(settings: HighlevelSettings) -> Iterator[tuple[str, object]]:
    """What was asked for otherwise than it is by default."""
    names = ("spectral_model", "spectral_index", "ebl", "redshift", "confidence", "assumed_index")
    for name in names:
        value = getattr(settings, name)
        if value != HighlevelSettings.model_fields[name].default:
            yield "index" if name == "assumed_index" else name, value
