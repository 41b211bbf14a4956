"""Schedulers behind one protocol: Slurm, HTCondor, and a local pool.

Nothing is imported here: the wrapper of a local task starts in this package, and must start fast.
"""
