"""Stores for keys and values."""
