"""Cells that wait for workers, who has taken which, and how they ended: the queue's part of the store."""
