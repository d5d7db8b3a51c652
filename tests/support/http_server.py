"""A web server over a folder, with faults that can be switched on: for tests of what is read over the network.

As a program: `http_server.py FOLDER` prints its port, takes one rule a line on stdin ("503 2 PATTERN", "clear") and ends
with stdin.
"""

import http.server
import os
import pathlib
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse


class Server(http.server.ThreadingHTTPServer):
    """`address` leads to the folder. Rules are [kind, how often, pattern of the path]; the first that fits counts.

    Kinds: a status ("503"), "silent" (no answer), "slow" (a second before each), "truncated" (half of what was
    promised), "short" (half, as if it were all), "whole" (ranges are ignored), "reset".
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = pathlib.Path(folder)
        self.rules, self.requests, self.headers = [], [], []
        self.lock = threading.Lock()
        self.open_now = self.most_at_once = 0
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.address = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def rule(self, path):
        with self.lock:
            for rule in self.rules:
                if rule[1] > 0 and re.search(rule[2], path):
                    rule[1] -= 1
                    return rule[0]
        return ""

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        server = self.server
        with server.lock:
            server.open_now += 1
            server.most_at_once = max(server.most_at_once, server.open_now)
            server.requests.append(self.path)
            server.headers.append(dict(self.headers))
        try:
            self.serve(server.rule(self.path))
        finally:
            with server.lock:
                server.open_now -= 1

    def serve(self, kind):
        if kind.isdigit():
            return self.answer(int(kind), b"an excuse")
        if kind == "silent":
            time.sleep(60)
            return
        if kind == "slow":
            time.sleep(1)
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
            return
        file = self.server.folder / urllib.parse.unquote(self.path).lstrip("/")
        if not file.is_file():
            return self.answer(404, b"no such object")
        body = file.read_bytes()
        if kind == "short":
            body = body[:len(body) // 2]
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        total, status, extra = len(body), 200, {}
        if wanted and kind != "whole":
            first, last = wanted.groups()
            begin = int(first) if first else max(0, total - int(last))
            end = min(total, int(last) + 1) if first and last else total
            if begin >= total:
                return self.answer(416, Content_Range=f"bytes */{total}")
            body, status = body[begin:end], 206
            extra = {"Content_Range": f"bytes {begin}-{end - 1}/{total}"}
        if kind == "truncated":
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
            return
        self.answer(status, body, **extra)


if __name__ == "__main__":
    served = Server(sys.argv[1])
    print(served.server_port, flush=True)
    for line in sys.stdin:
        words = line.split(maxsplit=2)
        if words[:1] == ["clear"]:
            served.rules = []
        elif len(words) == 3:
            served.rules.append([words[0], int(words[1]), words[2].strip()])
        print(len(served.requests), flush=True)
    os._exit(0)
