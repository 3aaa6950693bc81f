"""A gRPC server whose messages are scripts, in the words of tests/tonic_forms/service.rs, but `wait`;
and besides them

- `head`: sends the head now, so that what comes after it is said by trailers;
- `calls`: a message that says how many calls there were;
- `gone`: a message that says how many ended while they hung.
"""

import sys
import threading
from concurrent import futures

import grpc

CODES = {code.value[0]: code for code in grpc.StatusCode}
lock = threading.Lock()
calls = 0
gone = 0


def play(scripts, context):
    """The messages that the words say, one after the other."""
    global calls, gone
    with lock:
        calls += 1
    for script in scripts:
        for word in script.decode().split(";"):
            verb, _, rest = word.partition(" ")
            if verb == "say":
                yield rest.encode()
            elif verb == "left":
                left = context.time_remaining()
                yield b"ever" if left is None else repr(left * 1000).encode()
            elif verb == "calls":
                yield str(calls).encode()
            elif verb == "gone":
                yield str(gone).encode()
            elif verb == "head":
                context.send_initial_metadata(())
            elif verb == "hang":
                over = threading.Event()
                if context.add_callback(over.set):
                    over.wait()
                with lock:
                    gone += 1
                return
            elif verb == "fail":
                context.abort(CODES[int(rest)], "after all")
            elif verb == "push":
                context.set_trailing_metadata((("grpc-retry-pushback-ms", rest),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
            else:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, word)


def whole(scripts, context):
    return b" ".join(play(scripts, context))


class Forms(grpc.GenericRpcHandler):
    def service(self, call):
        return {
            "/buttress.Forms/Unary": grpc.unary_unary_rpc_method_handler(
                lambda script, context: whole([script], context)
            ),
            "/buttress.Forms/ServerStream": grpc.unary_stream_rpc_method_handler(
                lambda script, context: play([script], context)
            ),
            "/buttress.Forms/ClientStream": grpc.stream_unary_rpc_method_handler(whole),
            "/buttress.Forms/Bidi": grpc.stream_stream_rpc_method_handler(play),
        }.get(call.method)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((Forms(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
# Until the test that started it goes away.
sys.stdin.read()
server.stop(None)
