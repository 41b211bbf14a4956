"""ASTRAN: Advanced System for Telescope Results and Analysis of the Night.

One mail in, one analysis run exactly once, one truthful answer out.
"""

__version__ = "0.2.0"
