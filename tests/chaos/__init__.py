"""Workers that are killed."""
