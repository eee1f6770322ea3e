"""Tests of the approver's page and the HTTP facade."""
