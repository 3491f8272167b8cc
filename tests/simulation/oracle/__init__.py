"""What must come out: told plainly and slowly, from the log's JSON alone, and without a line of the rules."""
