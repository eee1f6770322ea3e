"""Health, metrics and traces of worker processes, seen from outside."""
