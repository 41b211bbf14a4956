"""The letters that ASTRAN writes, and their MIME form."""
