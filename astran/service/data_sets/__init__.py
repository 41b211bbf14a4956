"""Requests for several nights: what they hold and cost, their nights one by one, and the stack."""
