"""Searches over settings of a model, by what it makes of a user's own text."""
