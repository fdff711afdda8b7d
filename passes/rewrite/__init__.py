"""Rewrite passes: each returns a new program."""
