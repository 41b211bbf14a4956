"""Is the night in order? Rates, dead time, energies, times between events, camera, response."""
