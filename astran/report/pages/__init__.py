"""A browsable static site of all analyses: plain files, no server code."""
