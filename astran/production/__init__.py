"""Stages and tasks, their job scripts, the runner inside a job, product checks."""
