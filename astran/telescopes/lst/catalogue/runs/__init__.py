"""The runs of a target in a night, and which are good enough."""
