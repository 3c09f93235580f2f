"""What means nothing in names and versions of an ecosystem: one answer for merge and suppression.

Apart from both, and without packageurl, because planning reads rules and is to start fast.
"""

import re

#: Types of package URL in which a `v` before the version says nothing.
WITH_V = frozenset({"cargo", "composer", "gem", "github", "golang", "hex", "npm", "nuget", "pub", "pypi", "swift"})
#: Punctuation that is all the same in names of PyPI (PEP 503).
PUNCTUATION = re.compile(r"[-_.]+")
