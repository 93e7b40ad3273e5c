"""farspan's decoder as a model of transformers, for its Auto classes after `import farspan`."""
