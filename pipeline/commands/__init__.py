"""One module per command of `plaudit`; `pipeline.__main__` lists them."""
