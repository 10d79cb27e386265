"""Harm reports and their answers, sealed on their way."""
