"""Alembic migrations, run by `parkgate db upgrade`."""
