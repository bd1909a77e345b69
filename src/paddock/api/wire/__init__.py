"""The shapes of bodies, as msgspec structs, and how they are read."""
