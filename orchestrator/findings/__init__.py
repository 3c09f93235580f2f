"""Report formats: what scanners wrote, read into findings."""
