"""Perdure: AI agents as durable executions on Temporal."""
