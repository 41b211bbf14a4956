"""How bright the night sky was in a run: it chooses among forests of several levels."""

from __future__ import annotations

from pydantic import Field, field_validator

from astran.config.model import Settings

CLEANED = {
    8: (0.0, 0.07, 0.14, 0.22),
    10: (0.38, 0.5),
    12: (0.81,),
    14: (1.25,),
    16: (1.76,),
    18: (2.34,),
}
"""Levels of the LST-1 Monte Carlo [p.e./ns above its dark sky] by the picture threshold [p.e.] with
which it was cleaned: the table that lstosa chooses by (osa.utils.utils.get_nsb_level)."""


class NsbSettings(Settings):
    """Night-sky background (NSB): where models, Monte Carlo and IRFs exist for several levels, each
    run gets those of its own. A level is what was added to Monte Carlo of a dark sky [p.e./ns], as
    in folder names like nsb_tuning_0.14. Sources are asked in the order that they stand here."""

    log: str = Field(
        "",
        description="Log of lstchain_find_tailcuts of a run; {run} is the number with five digits.",
        examples=["/path/to/auxiliary/TailCuts/log_find_tailcuts_Run{run}.log"],
    )
    cleaning: str = Field(
        "",
        description="Its other product, which tells the picture threshold; where there is none, "
        "the folder of the DL1 file does (tailcut84 is 8 p.e.).",
        examples=["/path/to/auxiliary/TailCuts/dl1ab_Run{run}.json"],
    )
    of_spread: dict[float, float] = Field(
        {},
        description="Level by the pedestal charge spread that the data check tells [p.e.], from "
        "which the others are interpolated; none: the data check is not asked.",
        examples=[{1.6: 0.0, 2.0: 0.14, 2.4: 0.38}],
    )
    default: float = Field(0.0, ge=0, description="Level of runs of which nothing tells it.")
    cleaned: dict[int, tuple[float, ...]] = Field(
        CLEANED,
        description="Levels by the picture threshold that their Monte Carlo was cleaned with: a "
        "run gets one of those that were cleaned as it was.",
    )

    @field_validator("log", "cleaning")
    @classmethod
    def _of_a_run(cls, value: str) -> str:
        if value and ("{run}" not in value or not value.startswith("/")):
            raise ValueError("must be an absolute path that holds {run}")
        return value

    @field_validator("of_spread")
    @classmethod
    def _ordered(cls, value: dict[float, float]) -> dict[float, float]:
        levels = [level for _, level in sorted(value.items())]
        if levels != sorted(levels) or any(level < 0 for level in levels):
            raise ValueError("a larger spread cannot mean a lower level, and none is negative")
        return dict(sorted(value.items()))
