"""The scans there are, and the digests that stand for their images."""
