"""`farspan serve`: an OpenAI-compatible API, documents that are read as jobs, and a page."""
