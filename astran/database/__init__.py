"""Requests, analyses, tasks, mails and events in SQL."""
