"""A client in a process of its own: asks a worker the same kind of question many times, one after the other."""

import json
import random
import sys
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit


def main() -> None:
    """Take an address, a query with `{}` for an actor, how many actors and questions there are; print seconds."""
    url, query, members, questions = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    address, chance = urlsplit(url), random.Random(1)
    connection = HTTPConnection(str(address.hostname), address.port)
    seconds = []
    for _ in range(questions):
        path = f"{address.path}?{query.format(chance.randrange(members))}"
        start = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - start)
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
