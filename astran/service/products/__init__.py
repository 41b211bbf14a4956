"""Products on disk: inventory, store contents, cleaning."""
