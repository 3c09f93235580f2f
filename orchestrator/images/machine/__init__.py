"""Images that container tools of this machine keep: of Docker, podman and containerd; and what comes on standard input.

Each is copied once, as the tool exports it, into a folder of the volume, and from then on read like any other archive.
"""
