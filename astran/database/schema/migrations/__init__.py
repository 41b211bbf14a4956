"""alembic environment and versions of the database schema."""
