"""Where files lie on the shared volume, and how they are written."""
