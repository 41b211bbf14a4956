"""Slurm behind the scheduler port."""
