"""How much is remembered of what strangers spell: one number for every `lru_cache` whose keys are of their making."""

from typing import Final

#: Entries of each such cache. Of a package of its own in every finding all of them together take about 30 MB (2 KB for
#: each), which is part of what the aggregate step's pod and the service have room for; four times as many took 120 MB
#: and saved nothing that could be measured.
SPELLINGS: Final = 1 << 14
