"""The county side: ingest, record, reading, interfaces, API."""
