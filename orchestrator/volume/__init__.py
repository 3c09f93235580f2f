"""Where files lie on the shared volume, and how they are written."""

from orchestrator._moved import moved

__getattr__ = moved(__name__)
