"""Digests as the OCI image specification spells them."""

import re

#: The two registered algorithms (image-spec 1.1, descriptor.md), lower-case hexadecimal of the right length.
DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
#: How digests begin.
DIGEST_PREFIXES = ("sha256:", "sha512:")
