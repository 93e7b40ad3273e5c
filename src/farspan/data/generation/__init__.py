"""Synthetic long-context data from any documents: `farspan data generate`."""
