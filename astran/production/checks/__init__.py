"""Whether a product or an input is what it should be."""
