"""The pure core: economy documents, conditions, awards, limits, levels. No input or output happens here."""
