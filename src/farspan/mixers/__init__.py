"""Token mixers: one folder each, one contract for all."""
