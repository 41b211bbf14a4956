"""What every scheduler asks of a batch before it touches anything."""

from __future__ import annotations

import re

from astran.base.scheduler import Batch

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


def check_token(token: str) -> str:
    """The token itself, if it can be a job name and a file name (ValueError otherwise)."""
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"a token is made of letters, digits and '._+-': {token!r}")
    return token


def check_batch(batch: Batch) -> None:
    """ValueError unless the batch is consistent: a mistake of the caller, not of the scheduler."""
    check_token(batch.token)
    for token in batch.tokens:
        check_token(token)
    if not len(batch.scripts) == len(batch.logs) == len(batch.tokens):
        raise ValueError("a batch needs one script, one log and one token for each element")
    if not batch.scripts:
        raise ValueError("a batch needs at least one element")
    for path in (*batch.scripts, *batch.logs, batch.folder):
        if "\n" in path or "\t" in path or not path.startswith("/"):
            raise ValueError(f"paths are absolute, without tab or line break: {path!r}")
