"""Stores, each behind one contract test."""
