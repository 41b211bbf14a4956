"""Foundation of every package: errors, clock, external commands, files, tasks and states.

Nothing here imports another package of ASTRAN, nor anything heavier than the standard library.
"""
