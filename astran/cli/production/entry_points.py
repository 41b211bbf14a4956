"""Entry points of create_dl2_LP, create_dl3_LP, create_index_LP, check_dl2 and check_dl3."""

from __future__ import annotations

from collections.abc import Sequence

from astran.base.permissions import private_umask
from astran.base.tasks import ProductKind
from astran.cli.production import check, create


def create_dl2_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of create_dl2_LP."""
    with private_umask():
        return create.create_dl2(argv)


def create_dl3_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of create_dl3_LP."""
    with private_umask():
        return create.create_dl3(argv)


def create_index_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of create_index_LP."""
    with private_umask():
        return create.create_index(argv)


def check_dl2_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of check_dl2."""
    with private_umask():
        return check.check_products(ProductKind.DL2, argv)


def check_dl3_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of check_dl3."""
    with private_umask():
        return check.check_products(ProductKind.DL3, argv)
