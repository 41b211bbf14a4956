"""What the high-level analysis leaves: results.json, tables, warnings."""
