"""Questions across runs."""
