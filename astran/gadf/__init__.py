"""Reads and judges files of the gamma-astro-data-formats (GADF): event lists and their IRFs.

Format: https://gamma-astro-data-formats.readthedocs.io/en/v0.3. The checks of products, the audits
and the high-level analysis all ask `read_dl3`; each decides only what is fatal to it.
"""
