"""From DL3 to numbers and plots (gammapy); runs as a task."""
