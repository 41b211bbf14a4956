"""Inbox, gate, letters and outbox."""
