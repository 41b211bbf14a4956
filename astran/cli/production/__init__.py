"""Production by hand."""
