"""Electronic invoices: the port of a provider, and the providers behind it."""
