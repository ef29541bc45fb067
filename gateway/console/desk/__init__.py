"""The console's working pages: the queue, stays, lanes. Forms that work without script; what they do is what the API does."""
