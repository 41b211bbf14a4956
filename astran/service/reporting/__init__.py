"""Reports of ended analyses, and the pages."""
