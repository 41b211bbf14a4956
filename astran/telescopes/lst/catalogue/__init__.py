"""The LST-1 data of a night: runs, DL1, models, Monte Carlo, IRFs."""
