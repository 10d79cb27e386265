"""Proves records and lets them travel: a pure protocol core, and two edges that talk HTTP; see docs/protocol.md."""
