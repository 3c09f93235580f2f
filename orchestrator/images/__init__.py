"""References, registries, and the tarball."""
