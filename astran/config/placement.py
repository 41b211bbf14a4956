"""Settings that may differ for single senders or domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from astran.config.model import Settings

Placement = TypeVar("Placement", bound=Settings)


def check_senders(by_sender: Mapping[str, Placement]) -> dict[str, Placement]:
    """The same with lower-case keys (ValueError: one is neither an address nor `@domain`)."""
    for sender in by_sender:
        if sender.count("@") != 1:
            raise ValueError(f"{sender!r} is neither a mail address nor a domain like @a.example")
    return {sender.lower(): placement for sender, placement in by_sender.items()}


def placement_of_sender(
    general: Settings, by_sender: Mapping[str, Placement], sender: str, model: type[Placement]
) -> Placement:
    """What holds for a sender (empty: nobody in particular): what is left out for them is as in
    general."""
    address = sender.lower()
    own = by_sender.get(address) or by_sender.get("@" + address.rpartition("@")[2])
    return model(
        **{name: getattr(own, name, "") or getattr(general, name) for name in model.model_fields}
    )
