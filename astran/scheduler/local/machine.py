"""How much of this machine there is to share out."""

from __future__ import annotations

import os
from pathlib import Path

_SHARE = 0.9
"""Part of the memory that is shared out where the site sets none; the rest is for all else."""
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_memory_mb() -> int:
    """Nine tenths of the memory of this machine, or of the container, in MB of 1024^2 bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        limit = "max"
    if limit.isdigit():
        total = min(total, int(limit))
    return max(1, int(total * _SHARE) >> 20)
