"""Workflows that people declare as data: their models, expressions, checks and pictures."""
