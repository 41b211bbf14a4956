"""What differs between two analyses or two folders of DL3, and where the difference comes from."""
