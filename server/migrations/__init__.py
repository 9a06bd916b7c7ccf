"""Migrations of the database, from the first one on."""
