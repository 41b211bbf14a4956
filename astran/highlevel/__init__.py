"""From DL3 to numbers, plots and results.json; runs as a task of its own."""
