"""Long-running services: the scheduler, which keeps every result fresh."""
