"""Random forests, Monte Carlo and IRFs that belong to a run."""
