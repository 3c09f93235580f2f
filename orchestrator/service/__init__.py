"""What goes on for ever: the scheduler, which keeps every result fresh."""
