"""Runs workflows that people declare as data."""
