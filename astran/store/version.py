"""Schema version."""

HEAD = "0005"
"""Schema version that this code needs; the newest migration (a test holds them together)."""
