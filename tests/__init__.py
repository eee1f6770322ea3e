"""Tests of Perdure, on the real thing."""
