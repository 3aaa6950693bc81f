"""A gRPC server that answers each call with the time its caller has left, in seconds."""

import sys
from concurrent import futures

import grpc


class Clock(grpc.GenericRpcHandler):
    def service(self, call):
        def remaining(_request, context):
            return repr(context.time_remaining()).encode()

        return grpc.unary_unary_rpc_method_handler(remaining)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
server.add_generic_rpc_handlers((Clock(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
# Until the test that started it goes away.
sys.stdin.read()
server.stop(None)
