"""The JSON documents of a local archive, read within a budget for all of them.

An archive may name the same document a million times, which costs it a few bytes each.
"""

from orchestrator.images.digests import digest_of
from orchestrator.images.local.files import Files, read_json
from orchestrator.images.tarball.layout import blob_name
from orchestrator.model import Blob
from orchestrator.net.errors import ArchiveError, Unsupported

#: Bytes of all documents of one archive; a hundred images have about ten megabytes.
_BUDGET = 256 * 1024 * 1024
#: What each, and each entry of an index, costs beside its length.
_COST = 4096


class Documents:
    """Reads the documents of an archive.

    Attributes:
        files: of the archive.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._left = _BUDGET

    def count(self, size: int = 0) -> None:
        """Charge for an entry, or for a document of this many bytes.

        Raises:
            Unsupported: the archive's entries and documents are too many, or too large together.
        """
        self._left -= _COST + size
        if self._left < 0:
            raise Unsupported(f"{self.files.path}: names more images than it can hold; split the archive")

    def read(self, name: str) -> bytes:
        """A document that must be there.

        Raises:
            ArchiveError: it is missing or too large.
            Unsupported: as `count` does.
        """
        self.count(self.files.size(name) or 0)
        return read_json(self.files, name)

    def proven(self, blob: Blob) -> bytes:
        """The document of a digest.

        Raises:
            ArchiveError: it is missing, too large, or not what the digest promises.
            Unsupported: as `read` does.
        """
        data = self.read(blob_name(blob.digest))
        if digest_of(data, like=blob.digest) != blob.digest:
            raise ArchiveError(f"{self.files.path}: {blob.digest} in it is damaged; fetch or save the archive again")
        return data
