"""Inputs bent out of shape, one after another, against every reader of what strangers send (`make fuzz`)."""
