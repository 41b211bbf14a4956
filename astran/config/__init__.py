"""Settings: frozen pydantic models, the one source of defaults, units and help texts."""
