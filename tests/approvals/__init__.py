"""Approvals from outside: the `temporal` CLI and HTTP against worker processes."""
