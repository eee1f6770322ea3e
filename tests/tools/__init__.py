"""Tests of declarations, the host, and the built-in tools."""
