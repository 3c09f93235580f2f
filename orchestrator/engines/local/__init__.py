"""The local engine: a run on this machine."""
