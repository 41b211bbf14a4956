"""Schema version."""

HEAD = "0012"
"""Schema version that this code needs; the newest migration (a test holds them together)."""
