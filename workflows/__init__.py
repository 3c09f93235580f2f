"""Hera builders: the only code that imports hera."""
