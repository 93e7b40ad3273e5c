"""Rotary embedding and its scalings."""
