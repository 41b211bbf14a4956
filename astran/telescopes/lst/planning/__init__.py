"""The chain of LST-1: the stock tools of lstchain."""
