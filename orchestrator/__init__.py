"""scanmatrix: a matrix of images × scans, planned, run and accounted for."""
