"""Patterns of several agents: each one small workflow over child runs."""
