"""A thorough look at products: all that is wrong with one, not only whether it can be used."""
