"""Contributors on their private links: what they see of theirs, and what they may change."""
