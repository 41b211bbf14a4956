"""Letters on their way out: queue and delivery."""
