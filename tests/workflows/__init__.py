"""The deterministic code on a real server."""
