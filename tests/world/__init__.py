"""ASTRAN's engine in a simulated world: one seed is one schedule of users, faults and deaths."""
