"""The demonstration: three organisations meet and share, told step by step over three real processes."""
