"""What earlier work tells: durations, resources, lineage."""
