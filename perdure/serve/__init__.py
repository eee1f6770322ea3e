"""The approver's page and the HTTP facade: one Starlette application, stateless over Temporal."""
