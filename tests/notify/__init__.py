"""Tests of notifications: real HTTP and SMTP servers on loopback."""
