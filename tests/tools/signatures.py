"""A ClamAV database with one virus in it, EICAR; the official one is hundreds of megabytes."""

import hashlib
from pathlib import Path

from tests.tools.samples import EICAR

NAME = "Scanmatrix.Test.EICAR"


def write(folder: Path) -> Path:
    """Write the signatures into this folder, for `clamscan --database <folder>`."""
    folder.mkdir(parents=True, exist_ok=True)
    # By content at the start of any file (target type 0), and by the hash of the whole file.
    (folder / "scanmatrix.ndb").write_text(f"{NAME}:0:0:{EICAR.hex()}\n")
    digest = hashlib.sha256(EICAR).hexdigest()
    (folder / "scanmatrix.hsb").write_text(f"{digest}:{len(EICAR)}:{NAME}.File\n")
    return folder
