"""Source formats: one record's bytes become a canonical event, or a reason why not. Pure; nothing is trusted."""
