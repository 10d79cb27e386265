"""Emergency holds: what is stopped, what a peer keeps meanwhile, and the word to hide on the wire."""
