"""Schema version."""

HEAD = "0003"
"""Schema version that this code needs; the newest migration (a test holds them together)."""
