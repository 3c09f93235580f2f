"""Where targets come from: one file per source."""
