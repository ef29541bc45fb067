"""Clock, ids, settings, logs and metrics: what every flow is handed."""
