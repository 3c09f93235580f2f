"""The names of Docker Hub."""

HUB = "docker.io"
"""As images carry it."""
HUB_OLD = "index.docker.io"
"""What it was called once; some still write it."""
HUB_HOST = "registry-1.docker.io"
"""Where its registry answers."""
