"""Tools that know nothing of scans, images or clusters: text, numbers, decoding."""
