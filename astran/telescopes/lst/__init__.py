"""LST-1: lstchain from DL1 to DL3."""
