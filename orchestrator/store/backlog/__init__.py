"""What should be kept fresh, when each of it is due, and the runs in flight: the scheduler's part of the store."""
