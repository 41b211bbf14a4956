"""Software environments of a site, and what their tools can do."""
