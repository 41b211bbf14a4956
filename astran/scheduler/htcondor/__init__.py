"""HTCondor behind the scheduler port. Loaded only where a site uses it."""
