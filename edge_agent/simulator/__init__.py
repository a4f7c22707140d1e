"""Simulated devices behind an address (tcp:, pty:). A program of its own; nothing at run time imports it."""
