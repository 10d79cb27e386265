"""The log of what was done: its tree, its checkpoints, and what peers witness of one another's."""
