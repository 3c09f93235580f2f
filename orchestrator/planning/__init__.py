"""From targets and scans to an immutable plan."""
