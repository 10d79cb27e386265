"""Accounts, room by room."""
