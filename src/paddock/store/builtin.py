"""The box: the models that come with the program, as a read-only store inside the package.

`store/box` is laid out like any other store, so the code that reads the user's models reads these too.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def box() -> Path | None:
    """The directory of the store in the package; None where the package carries none, or is an archive."""
    place = files("paddock.store") / "box"
    return place if isinstance(place, Path) and place.is_dir() else None
