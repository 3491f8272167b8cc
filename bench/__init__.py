"""Measures the product: one seeded workload with its expected result, and what each stage does with it."""
