"""Streams of events: stores, writers, readers, and runs that stream."""
