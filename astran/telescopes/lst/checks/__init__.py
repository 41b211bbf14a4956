"""Whether LST-1 products and inputs are what they should be."""
