"""Types of columns: what is stored differs from what ASTRAN works with.

Times are stored without zone and read back aware, because SQLite knows no zones. Text is made
storable (see `astran.base.text.storable`), in queries as well, so that no mail, log or name breaks
a transaction by its letters.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import DateTime, Dialect, TypeDecorator

from astran.base.text import storable


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class _Storable(TypeDecorator[str]):
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class String(_Storable):
    """Text of limited length, made storable."""

    impl = sa.String
    cache_ok = True


class Text(_Storable):
    """Text of any length, made storable."""

    impl = sa.Text
    cache_ok = True


class JSON(TypeDecorator[Any]):
    """Values whose texts, names included, are made storable."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return _storable(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self.impl_instance.coerce_compared_value(op, value)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value
