"""An image's tarball on the volume."""
