"""A web server on 127.0.0.1 that serves one file and misbehaves as told."""

import hashlib
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server does; tests change it between requests.

    `cut_after` holds, for each of the next responses, how many bytes of the body to send before the line drops.
    """

    content: bytes
    ranges: bool = True
    etag: bool = True
    cut_after: list = field(default_factory=list)
    statuses: list = field(default_factory=list)
    extra_length: int = 0
    requests: list = field(default_factory=list)


@contextmanager
def serving(behaviour):
    """Yields the address of the file."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            behaviour.requests.append(dict(self.headers))
            if behaviour.statuses and (status := behaviour.statuses.pop(0)) != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, total = behaviour.content, len(behaviour.content)
            tag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            fresh = self.headers.get("If-Range") in {None, tag}
            if asked and behaviour.ranges and fresh:
                start = int(asked[1])
                if start >= total:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{total}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = body[start:]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            if behaviour.etag:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(body) + behaviour.extra_length))
            self.end_headers()
            cut = behaviour.cut_after.pop(0) if behaviour.cut_after else None
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None or behaviour.extra_length:
                self.wfile.flush()
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/Kew-MNIST-full-dataset.Rdata"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
