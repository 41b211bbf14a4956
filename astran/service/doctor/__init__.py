"""`astran doctor`: a probe for each outside part."""
