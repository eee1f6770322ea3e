"""Recorded histories of every workflow, and the gate that replays them."""
