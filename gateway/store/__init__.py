"""The database: tables, migrations, and the queries of each flow. SQLite and PostgreSQL alike."""
