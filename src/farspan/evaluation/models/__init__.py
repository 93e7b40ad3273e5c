"""What can be evaluated: built-in players, farspan, transformers, endpoints, baselines."""
