"""Simulated nights."""
