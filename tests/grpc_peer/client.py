"""A gRPC client that calls as it is told, a line each, and prints what it sees: the code, its details, the
pushback and the messages, separated by tabs.

- `call <form> <seconds or -> <script>`
- `open <form> <seconds or -> <script>`: the same, and prints nothing yet
- `finish` or `cancel`: what was opened
- `talk <words>`: both streams open, each word sent when the one before has come back
"""

import queue
import sys

import grpc

channel = grpc.insecure_channel(sys.argv[1])
STREAMS = ("ServerStream", "Bidi")


def begin(form, seconds, script):
    path = "/buttress.Forms/" + form
    timeout = None if seconds == "-" else float(seconds)
    script = script.encode()
    if form == "Unary":
        return channel.unary_unary(path).future(script, timeout=timeout)
    if form == "ServerStream":
        return channel.unary_stream(path)(script, timeout=timeout)
    if form == "ClientStream":
        return channel.stream_unary(path).future(iter([script]), timeout=timeout)
    return channel.stream_stream(path)(iter([script]), timeout=timeout)


def see(call, form, messages=()):
    messages = list(messages)
    try:
        if form in STREAMS:
            for message in call:
                messages.append(message.decode())
        else:
            messages.append(call.result().decode())
    except (grpc.RpcError, grpc.FutureCancelledError):
        pass
    pushback = dict(call.trailing_metadata() or ()).get("grpc-retry-pushback-ms", "-")
    print(call.code().name, call.details(), pushback, ",".join(messages), sep="\t", flush=True)


def talk(words):
    to = queue.SimpleQueue()
    call = channel.stream_stream("/buttress.Forms/Bidi")(iter(to.get, None))
    messages = []
    for word in words.split():
        to.put(("say " + word).encode())
        messages.append(next(call).decode())
    to.put(None)
    see(call, "Bidi", messages)


opened = None
for line in sys.stdin:
    verb, _, rest = line.rstrip("\n").partition(" ")
    if verb in ("call", "open"):
        form, seconds, script = rest.split(" ", 2)
        call = begin(form, seconds, script)
        if verb == "call":
            see(call, form)
        else:
            opened = (call, form)
    elif verb == "talk":
        talk(rest)
    else:
        if verb == "cancel":
            opened[0].cancel()
        see(*opened)
