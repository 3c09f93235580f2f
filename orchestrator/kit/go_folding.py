"""Which names Go's `encoding/json` takes for one: by the simple case folding of Unicode (CaseFolding.txt, C and S).

Go's decoder falls back to a comparison of folded names when no field has exactly the key's name, so `Layers`, `LAYERS`
and `layer` with U+017F, the long s, all fill the field `layers`. See `foldName` in Go's `encoding/json/fold.go`.
"""


def fold(name: str) -> str:
    """A form that is equal for exactly the names that Go's `encoding/json` finds equal."""
    return name.lower() if name.isascii() else "".join(map(_fold_character, name))


def _fold_character(character: str) -> str:
    # `casefold` is the full folding: where it gives several characters, the simple one is the lower case, if it is one
    # character (ẞ → ß), or there is none (ŉ stays itself).
    for candidate in (character.casefold(), character.lower()):
        if len(candidate) == 1:
            return candidate
    return character
