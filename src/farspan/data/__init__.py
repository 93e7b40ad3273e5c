"""Document readers, corpora and synthetic tasks."""
