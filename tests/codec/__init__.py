"""Payload chain, external storage and codec server."""
