"""A light curve as geometry: where axes, ticks and points lie. The template only draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

_STEPS_DAYS = (1, 2, 3, 7, 14, 30, 61, 91, 182, 365, 730, 1826)
SIGNIFICANT = 3.0
"""Points of at least so many sigma are filled."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of one night."""

    night: date
    value: float
    error: float
    filled: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where it is [px] and what it says."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A point with its error bar [px]."""

    x: float
    y: float
    top: float
    bottom: float
    filled: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of `width` x `height` px; the plot lies within the four edges."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    zero: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    points: tuple[ChartPoint, ...]


def make_chart(values: Sequence[Measurement], width: int, height: int) -> Chart:
    """Lay out a light curve of at least one value; zero is always on it."""
    y_ticks = _y_ticks(values, 5)
    low, high = y_ticks[0], y_ticks[-1]
    digits = max(0, -math.floor(math.log10(y_ticks[1] - y_ticks[0]) + 1e-9))
    labels = [f"{tick:.{digits}f}" for tick in y_ticks]
    left, right = 18.0 + 7.5 * max(map(len, labels)), width - 12.0
    top, bottom = 12.0, height - 28.0
    days = [value.night for value in values]
    x_ticks = _x_ticks(min(days), max(days), max(2, width // 130))
    pad = max(1.0, 0.04 * (max(days) - min(days)).days)
    first, last = min(days).toordinal() - pad, max(days).toordinal() + pad

    def x(day: date) -> float:
        return round(left + (right - left) * (day.toordinal() - first) / (last - first), 1)

    def y(value: float) -> float:
        inside = min(max(value, low), high)
        return round(bottom - (bottom - top) * (inside - low) / (high - low), 1)

    return Chart(
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        zero=y(0.0),
        x_ticks=tuple(Tick(x(day), day.isoformat()) for day in x_ticks),
        y_ticks=tuple(Tick(y(tick), text) for tick, text in zip(y_ticks, labels, strict=True)),
        points=tuple(
            ChartPoint(x(v.night), y(v.value), y(v.value + v.error), y(v.value - v.error), v.filled)
            for v in values
        ),
    )


def _y_ticks(values: Sequence[Measurement], wanted: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) around all values and zero."""
    low = min(0.0, *(v.value - v.error for v in values))
    high = max(0.0, *(v.value + v.error for v in values))
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(power * f for f in (1, 2, 5, 10) if power * f * wanted >= span)
    start, end = math.floor(low / step), math.ceil(high / step)
    return [step * n for n in range(start, max(end, start + 1) + 1)]


def _x_ticks(first: date, last: date, wanted: int) -> list[date]:
    """Days at equal distances, at most `wanted` of them."""
    span = (last - first).days
    step = next((s for s in _STEPS_DAYS if span // s < wanted), _STEPS_DAYS[-1])
    return [first + timedelta(days=n * step) for n in range(span // step + 1)][:wanted]
