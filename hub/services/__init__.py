"""Verbs on tables: plain functions inside somebody else's transaction. They never commit."""
