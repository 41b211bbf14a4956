"""The database beneath every room."""
