"""The configuration: one file a section, each key declared once."""
