"""The application: settings, store, event path, HTTP, jobs, command line. The only place where the parts are composed."""
