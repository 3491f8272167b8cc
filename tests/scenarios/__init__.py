"""What an economy does, as tables that a game designer reads: given a document, events in order, what comes of them."""
