"""Spectrum and light curve. gammapy reads the IRFs and fits the models; it is imported here only,
once, when there is something to fit."""
