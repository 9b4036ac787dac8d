"""The tabs of the demo's page, one per file."""
