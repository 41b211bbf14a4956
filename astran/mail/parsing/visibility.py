"""Whether a person sees a text on a page, by its styles. Unknown is never visible. Units: px."""

from __future__ import annotations

from dataclasses import dataclass, replace

from astran.mail.parsing.colours import BLACK, WHITE, Rgb, contrast, inks_of, papers_of
from astran.mail.parsing.css_values import (
    SMALLEST_PX,
    Declarations,
    font_size,
    least_opacity,
    may_cover,
    may_hide,
)

_LEAST_CONTRAST = 1.3
"""Of letters and ground (WCAG 2.1); light grey on white, as in small print, has 1.6."""
_LEAST_OPACITY = 0.35


@dataclass(frozen=True, slots=True)
class Look:
    """How the text of an element looks; what it hands down to those within."""

    hidden: bool = False
    inks: tuple[Rgb, ...] = (BLACK,)
    papers: tuple[Rgb, ...] = (WHITE,)
    size_px: float = 16.0
    opacity: float = 1.0
    covers: bool = False
    """Whether the element may lie upon, or push away, what stands elsewhere on the page."""

    @property
    def unseen(self) -> bool:
        """Whether it is not sure that a person sees the text."""
        return (
            self.hidden
            or self.size_px < SMALLEST_PX
            or self.opacity < _LEAST_OPACITY
            or not self.inks
            or not self.papers
            or any(
                contrast(ink, paper) < _LEAST_CONTRAST for ink in self.inks for paper in self.papers
            )
        )

    def hides_beyond(self, around: Look) -> bool:
        """Whether its style would hide text that follows upon the ground of what is around it."""
        return replace(self, papers=around.papers).unseen or replace(self, papers=(WHITE,)).unseen


PLAIN = Look()
"""Black on white, as text looks without any style."""


def style_of(declarations: Declarations, above: Look) -> Look:
    """The look of an element within another one."""
    given: dict[str, list[str]] = {}
    for name, value in declarations:
        given.setdefault(name, []).append(value)
    if not given:
        return above
    known_size, papers = font_size(given, above.size_px), papers_of(given, above.papers)
    size = above.size_px if known_size is None else known_size
    return replace(
        above,
        hidden=above.hidden or known_size is None or papers is None or may_hide(given, size),
        size_px=size,
        opacity=above.opacity * least_opacity(given),
        papers=papers or (),
        inks=inks_of(given, above.inks, papers or above.papers),
        covers=above.covers or may_cover(given, size),
    )
