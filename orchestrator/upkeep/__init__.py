"""What may be removed from the volume, and what must stay."""
