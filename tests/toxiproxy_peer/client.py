"""Python's client of Toxiproxy, which does as it is told and says what came of it: a line of JSON each way.

It is told a verb and its arguments. `say` is what a user of the proxy does; all others are the client's.
"""

import json
import socket
import sys
import time

from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer

server = Toxiproxy()
server.update_api_consumer(sys.argv[1], int(sys.argv[2]))


def show(proxy):
    return {name: getattr(proxy, name) for name in ("name", "listen", "upstream", "enabled")}


def say(address, text):
    """Says it through a proxy and hears the same, and takes the time."""
    host, port = address.rsplit(":", 1)
    start = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text.encode())
        heard = b""
        while len(heard) < len(text):
            part = connection.recv(4096)
            if not part:
                break
            heard += part
    return {"heard": heard.decode(), "seconds": time.monotonic() - start}


def proxy(name):
    found = server.get_proxy(name)
    if found is None:
        raise LookupError(name)
    return found


VERBS = {
    "running": server.running,
    "version": lambda: json.loads(server.version()),
    "create": lambda **proxy: show(server.create(**proxy)),
    "populate": lambda proxies: [show(proxy) for proxy in server.populate(proxies)],
    "proxies": lambda: {name: show(proxy) for name, proxy in server.proxies().items()},
    "enable": lambda name: proxy(name).enable(),
    "disable": lambda name: proxy(name).disable(),
    "destroy": lambda name: server.destroy(proxy(name)),
    "destroy_all": server.destroy_all,
    "reset": server.reset,
    "toxics": lambda name: {toxic: vars(of) for toxic, of in proxy(name).toxics().items()},
    "add_toxic": lambda to, **toxic: proxy(to).add_toxic(**toxic),
    "destroy_toxic": lambda name, toxic: proxy(name).destroy_toxic(toxic),
    # It has no method for this one, but it can.
    "change_toxic": lambda name, toxic, **to: APIConsumer.post(
        "/proxies/%s/toxics/%s" % (name, toxic), json=to
    ).json(),
    "say": say,
}

for line in sys.stdin:
    verb, arguments = json.loads(line)
    try:
        answer = {"did": VERBS[verb](**arguments)}
    except Exception as error:
        answer = {"raised": type(error).__name__, "text": str(error)}
    print(json.dumps(answer), flush=True)
