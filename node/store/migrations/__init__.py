"""Schema changes from the first release on; each runs whole or not at all."""
