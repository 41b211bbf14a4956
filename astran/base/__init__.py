"""Foundation of every room: errors, clock, external commands, files, tasks and states.

Nothing here imports another room of ASTRAN, nor anything heavier than the standard library.
"""
