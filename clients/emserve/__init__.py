"""Thin client of emserve."""
