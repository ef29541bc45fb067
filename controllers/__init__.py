"""The physical world as pure code: events, commands, vendors' wire formats, plates, passages, the decision. No I/O, no money."""
