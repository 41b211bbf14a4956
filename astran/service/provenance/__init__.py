"""Where products came from, as a graph and as W3C PROV."""
