"""Plots of the results, all in one style. They draw what results.json says, and nothing else."""
