"""Commands for operators of a site."""
