"""What changed in the store, one after the other: written with the change itself, read from a cursor on."""
