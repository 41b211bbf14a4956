"""Schema version."""

HEAD = "door20"
"""Schema version that this code needs; the newest migration (a test holds them together)."""
