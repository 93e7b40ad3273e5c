"""What people want a long context for."""
