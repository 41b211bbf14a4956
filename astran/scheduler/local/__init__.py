"""The local pool behind the scheduler port."""
