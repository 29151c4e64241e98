"""Migrations of the database, run by `adapters.storage.migrate`."""
