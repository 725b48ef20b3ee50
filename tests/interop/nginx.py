# SPDX-License-Identifier: BSD-3-Clause
"""nginx with a configuration of its own, in a namespace: one worker, and a log of every request."""
import pathlib
import signal

from lab import wait_for

_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
user root;
events {{ worker_connections 16384; }}
http {{
  log_format short '$request_method $request_uri $status';
  access_log {log};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  keepalive_requests 1000000000;
  keepalive_timeout 60s;
  server {{
    listen {port} backlog=4096 {listen};
    listen [::]:{port} backlog=4096 {listen};
    root {folder}/www;
    default_type application/octet-stream;
    {answers}
  }}
}}
"""

# A file is opened, read and closed for each request; this is not.
_FROM_MEMORY = f"location = /bytes/64 {{ return 200 '{'x' * 64}'; }}"


class Nginx:
    """Serves /bytes/64, /bytes/1000 and /bytes/100000: files, but for the first if from_memory.
    `listen` is more of what nginx's directive of that name takes."""

    def __init__(self, namespace, port, logged=True, from_memory=False, listen=""):
        self.folder = pathlib.Path(namespace.lab.folder) / f"nginx-{port}"
        self.log = self.folder / "access.log"
        (self.folder / "www" / "bytes").mkdir(parents=True)
        for size in (64, 1000, 100_000):
            (self.folder / "www" / "bytes" / str(size)).write_bytes(bytes(size))
        config = self.folder / "nginx.conf"
        log = f"{self.log} short buffer=64k flush=1s" if logged else "off"
        answers = _FROM_MEMORY if from_memory else ""
        config.write_text(_CONFIG.format(folder=self.folder, port=port, log=log, answers=answers,
                                          listen=listen))
        self.process = namespace.start("nginx", "-c", config, "-e", self.folder / "error.log",
                                       log=f"nginx-{port}.log")
        wait_for("nginx to listen", lambda: self._listening(namespace, port))

    def _listening(self, namespace, port):
        assert self.process.running(), str(self.process)
        return namespace.has_listener(port)

    def requests(self):
        """Every request it answered, as its log says; ends it."""
        self.process.stop(signal.SIGQUIT, timeout=10)
        return self.log.read_text().splitlines()
