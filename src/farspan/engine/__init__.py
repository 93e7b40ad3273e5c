"""Reading, generation and sessions."""
