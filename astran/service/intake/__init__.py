"""From mails to stored requests."""
