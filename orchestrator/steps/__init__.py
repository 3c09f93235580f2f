"""What runs inside pods; the local engine calls the very same functions."""
