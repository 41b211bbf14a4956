"""Default and example configurations (installed as astran.configs)."""
