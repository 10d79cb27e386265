"""Why somebody gets something, who gets it, and why they got it then."""
