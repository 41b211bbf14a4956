"""Reading and checking DL3 files; which runs belong to an analysis."""
