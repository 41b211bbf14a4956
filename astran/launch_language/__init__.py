"""The launch language: from a mail's words to an analysis configuration."""
