"""Where the database and the work folder are, whose they are, and who may read them."""
