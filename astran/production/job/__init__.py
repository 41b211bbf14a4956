"""What happens inside a job: script, tool, products, exit record."""
