"""Images in local files: OCI layouts and `docker save` archives."""
