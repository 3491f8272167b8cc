"""The plain loop: what a good engineer writes by hand, without guarantees."""
