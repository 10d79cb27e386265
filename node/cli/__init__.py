"""The command line: every command is a client of the node's API; only `init` and `serve` work on the folder itself."""

from node.cli.root import app, main

__all__ = ["app", "main"]
