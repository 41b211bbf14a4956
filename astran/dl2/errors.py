"""Why the fast engine does not give an answer. None of these ever leaves a product behind."""

from __future__ import annotations

from astran.base.errors import AstranError


class LeaveToStock(AstranError):
    """lstchain's own tool may well do what the fast engine could not."""


class NotSupported(LeaveToStock):
    """The fast engine does not know this kind of model, configuration or file; lstchain's own tool
    does."""


class DamagedModel(LeaveToStock):
    """Converted models are not what they were when they were written."""


class NotTrusted(AstranError):
    """A pickle lies in a folder from which none may be loaded: loading one runs what is in it."""
