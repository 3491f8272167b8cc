"""One module per stage: a batch in, a decision by the rules, state changes and outputs out."""
