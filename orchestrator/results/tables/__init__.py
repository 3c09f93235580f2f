"""A run's tables: their columns, derived from the types of their rows; writing them, and reading them back."""
