"""What a user would pick instead of the product, doing the same job on the same stand, without a line of it."""
