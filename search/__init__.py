"""Finds records: pure analysis, queries and ranking, and engines behind one port."""
