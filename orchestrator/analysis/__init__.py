"""From findings to what people act on: merged, suppressed, dated, judged."""
