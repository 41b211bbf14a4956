"""Sky maps: ring background, acceptance, exclusion regions, source position."""
