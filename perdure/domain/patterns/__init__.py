"""Patterns of several agents, as data and pure rules: what each takes, decides and comes to."""
