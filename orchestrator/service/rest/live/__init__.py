"""What changes, as it changes: one reader of the store for all who follow it."""
