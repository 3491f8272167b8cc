"""The whole product: workers as processes, a real broker, a real database."""
