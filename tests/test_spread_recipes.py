"""The engines that docs/distributed.md shows, as they stand there."""

import http.server
import re
import threading
import urllib.request

import pytest
import twisterl
from test_spread import config, results


@pytest.fixture
def recipe(root):
    """Run the block of the page that defines a name, and return what it defines."""

    def run(name):
        page = (root / "docs/distributed.md").read_text()
        block = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if name in block)
        found = {}
        exec(block, found)
        return found

    return run


@pytest.fixture
def service(recipe):
    """A server on this machine that keeps bytes by URL, in place of a bucket."""
    kept = {}

    class Bucket(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = kept[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def store(data):
            path = f"/{len(kept)}"
            kept[path] = data
            return f"http://127.0.0.1:{server.server_port}{path}"

        yield recipe("class Service"), store, kept
        server.shutdown()


@pytest.mark.parametrize("algorithm", ["PPO", "ES"])
def test_questions_by_url_make_the_local_run(tmp_path, monkeypatch, service, algorithm):
    recipe, store, kept = service
    monkeypatch.setenv("no_proxy", "*")
    events = []

    def invoke(event):
        events.append(event)
        if len(events) == 3:
            raise ConnectionError("the service has no instance")  # asked again
        assert all(isinstance(value, (str, int)) for value in event.values())
        return recipe["handler"](event)

    local = twisterl.train(config(algorithm), tmp_path / "local", quiet=True)
    engine = recipe["Service"](store, invoke, 2)
    run = twisterl.train(config(algorithm), tmp_path / "spread", quiet=True, engine=engine)
    assert results(run) == results(local)
    assert sum(len(str(event)) for event in events) / len(events) < 200
    # The config once, and each question once.
    assert len(kept) == 1 + len({event["question"] for event in events})
    assert urllib.request.urlopen(events[0]["config"]).read() == kept["/0"]


def test_a_service_that_always_fails_is_an_error(tmp_path, service):
    recipe, store, _ = service

    def invoke(event):
        raise ConnectionError("the service has no instance")

    engine = recipe["Service"](store, invoke, 2)
    with pytest.raises(twisterl.errors.WorkerError, match="failed 3 times, the last time: the service has no instance"):
        twisterl.train(config(), tmp_path / "run", quiet=True, engine=engine)
