"""Foreign tar archives, read exactly as Go's `archive/tar` reads them, or refused.

Container runtimes, registries' clients and scanners are written in Go. Whatever reads an archive in another way sees
other files than they run, so this package takes numbers, types, names and the end of an archive as Go 1.26 does
(https://pkg.go.dev/archive/tar), and what Go refuses is a `TarError` here, wherever it stands.
"""

from orchestrator.kit.tar.entry import KNOWN, EntryKind, TarEntry
from orchestrator.kit.tar.numbers import TarError
from orchestrator.kit.tar.reader import SPECIAL_LIMIT, TarReader

__all__ = ["KNOWN", "SPECIAL_LIMIT", "EntryKind", "TarEntry", "TarError", "TarReader"]
