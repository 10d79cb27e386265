"""A node that runs: use cases, storage, web, command line, and all the wiring."""
