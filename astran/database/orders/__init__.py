"""Requests that become more than one analysis: standing orders and data sets."""
