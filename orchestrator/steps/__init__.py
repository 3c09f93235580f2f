"""What runs inside pods; the local engine calls the very same functions."""

import sys

# msgspec asks typing_extensions for what Python 3.11 has itself. A pod needs nothing else of that module, which takes a
# tenth of what it takes to start; so it is not found while msgspec is imported, and is there again afterwards.
if sys.modules.keys().isdisjoint({"msgspec", "typing_extensions"}):
    sys.modules["typing_extensions"] = None  # type: ignore[assignment] # "not found"; see the reference, 5.3.1
    try:
        import msgspec  # noqa: F401 - see above
    finally:
        del sys.modules["typing_extensions"]
