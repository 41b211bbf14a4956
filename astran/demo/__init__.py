"""A simulated LST-1 night in lstchain's own formats, and embedded mail servers."""
