"""What was observed and where the files are."""
