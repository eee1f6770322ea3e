"""Patterns on a real server, and their rules by themselves."""
