"""Events that others sent, from being accepted until what they started has ended, and sinks were notified."""
