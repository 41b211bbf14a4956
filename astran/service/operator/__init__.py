"""What the operator hears: daily summary, health, faults, rejected mail."""
