"""Repositories of environments over https: what is downloaded, checked and refused. The server is on this machine."""

import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from modules import write_line

CERTIFICATE = Path(__file__).parent / "vectors/tls/localhost.pem"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what the server holds for a path: bytes, or a function of the handler."""

    def do_GET(self):
        answer = self.server.answers.get(self.path)
        self.server.asked.append(self.path)
        if callable(answer):
            answer(self)
        elif answer is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_):
        pass


def redirect(url):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.end_headers()

    return answer


def cut_off(content):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])

    return answer


def endless(handler):
    """Sends more than anything may have, without a length."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 20))
    except OSError:
        pass


def claims_length(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        made.socket = context.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def url(server):
    server.answers, server.asked = {}, []
    return f"https://localhost:{server.server_port}/environments"


@pytest.fixture(scope="module")
def published(cli, tmp_path_factory):
    """The index and the file of a repository with one module."""
    folder = tmp_path_factory.mktemp("published")
    module = write_line(folder / "line.wasm")
    result = cli("env", "publish", module, "--index", folder / "repository")
    assert result.returncode == 0, result.stderr
    index = json.loads((folder / "repository/index.json").read_text())
    return index, (folder / "repository" / index["environments"][0]["path"]).read_bytes()


@pytest.fixture
def env(tmp_path, monkeypatch):
    """Run `twisterl env` with a cache of its own, trusting the server's certificate."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def call(*words):
        command = [sys.executable, "-m", "twisterl", "env", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    call.cache = tmp_path / "cache/twisterl/environments"
    return call


def kept(env):
    return sorted(path.name for path in env.cache.iterdir()) if env.cache.exists() else []


def test_modules_come_from_the_web(server, url, published, env):
    index, module = published
    [entry] = index["environments"]
    server.answers = {
        "/environments/index.json": json.dumps(index).encode(),
        f"/environments/{entry['path']}": module,
        "/moved/index.json": redirect("/environments/index.json"),
    }
    for place in (url, f"{url}/", f"{url}/index.json"):
        listed = env("list", "--index", place)
        assert "Line@" in listed.stdout, listed.stderr
    assert "Line@" in env("list", "--index", url.replace("/environments", "/moved")).stdout
    assert set(server.asked) == {"/environments/index.json", "/moved/index.json"}
    assert entry["sha256"] in env("info", "Line", "--index", url).stdout
    # Which the module does not keep in all points.
    assert "`set_state` returns an error" in env("check", "Line", "--index", url).stderr
    assert kept(env) == []
    added = env("add", "Line", "--index", url)
    assert '"env_cls": "wasm:Line@' in added.stdout, added.stderr
    assert kept(env) == sorted([f"{entry['sha256']}.wasm", "index.json"])
    assert (env.cache / f"{entry['sha256']}.wasm").read_bytes() == module
    assert "Line@" in env("list").stdout


def test_modules_may_lie_at_urls_of_their_own(server, url, published, env, tmp_path, cli):
    _, module = published
    elsewhere = url.replace("/environments", "/releases/line%201.wasm?download=1")
    file = write_line(tmp_path / "line.wasm")
    listed = cli("env", "publish", file, "--index", tmp_path / "repository", "--url", elsewhere)
    assert listed.stdout == f"Line@1.0: {elsewhere}\n", listed.stderr
    assert [path.name for path in (tmp_path / "repository").iterdir()] == ["index.json"]
    index = (tmp_path / "repository/index.json").read_bytes()
    [entry] = json.loads(index)["environments"]
    assert entry["url"] == elsewhere
    assert "path" not in entry
    server.answers = {"/environments/index.json": index, "/releases/line%201.wasm?download=1": module}
    for place in (url, tmp_path / "repository"):
        added = env("add", "Line@1.0", "--index", place)
        assert '"env_cls": "wasm:Line@1.0"' in added.stdout, added.stderr
        assert kept(env) == sorted([f"{entry['sha256']}.wasm", "index.json"])
    assert "url" not in json.loads((env.cache / "index.json").read_text())["environments"][0]
    refused = cli("env", "info", "Line", "--index", tmp_path / "repository")
    assert "this program loads nothing from the web" in refused.stderr
    assert elsewhere in refused.stderr


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("http://example.org/a.wasm", "an https URL"),
        ("https://", "an https URL"),
        ("https:///a.wasm", "an https URL"),
        ("https://example.org/a b.wasm", "an https URL"),
        ("https://example.org/\x1b[31m", "an https URL"),
        ("file:///etc/passwd", "an https URL"),
        ("", "an https URL"),
    ],
)
def test_other_urls_of_modules_are_refused(cli, published, tmp_path, at, words):
    index, _ = published
    [entry] = index["environments"]
    del (entry := dict(entry))["path"]
    (tmp_path / "index.json").write_text(json.dumps({"environments": [{**entry, "url": at}]}))
    for refused in (
        cli("env", "info", "Line", "--index", tmp_path),
        cli("env", "publish", write_line(tmp_path / "line.wasm"), "--index", tmp_path / "new", "--url", at),
    ):
        assert refused.returncode in (1, 2), refused.stdout
        assert words in refused.stderr
        assert "\x1b" not in refused.stderr
    assert not (tmp_path / "new").exists()


class Changed(NamedTuple):
    """The published index with other entries, made of the fields of its only one."""

    entries: Callable[[dict], list[dict]]


def entry_with(**changes):
    """Another entry; fields that are None are left out."""
    return Changed(lambda entry: [{k: v for k, v in {**entry, **changes}.items() if v is not None}])


@pytest.mark.parametrize(
    ("index", "words"),
    [
        pytest.param(None, "the answer 404", id="none"),
        pytest.param(endless, "more than 16777216 bytes", id="endless"),
        pytest.param(claims_length, "found 1099511627776 bytes", id="long"),
        pytest.param(cut_off(b"{}" * 100), "100 of 200 bytes", id="cut off"),
        pytest.param(b"\0asm", "an index of environments", id="no JSON"),
        pytest.param(b"[" * 100_000, "an index of environments", id="deep"),
        pytest.param(b'{"environments": {"a": 1}}', "an index of environments", id="types"),
        pytest.param(redirect("http://localhost/index.json"), "no https URL", id="to http"),
        pytest.param(redirect("file:///etc/passwd"), "the answer 302", id="to a file"),
        pytest.param(redirect("/environments/index.json"), "", id="in a circle"),
        pytest.param(entry_with(path="../secret.wasm"), "a path in the folder of the index", id="above"),
        pytest.param(entry_with(path="/etc/passwd"), "a path in the folder of the index", id="absolute"),
        pytest.param(entry_with(path="https://example.org/a.wasm"), "404", id="URL as path"),
        pytest.param(entry_with(path=""), "a path in the folder of the index", id="empty path"),
        pytest.param(entry_with(path=None), "the path of the file, or its url, found neither", id="no file"),
        pytest.param(entry_with(url="https://example.org/a.wasm"), "none beside a path, found both", id="two files"),
        pytest.param(entry_with(sha256="0" * 64), "and sha256 0000", id="hash"),
        pytest.param(entry_with(sha256="A" * 64), "64 hexadecimal digits in lower case", id="capitals"),
        pytest.param(entry_with(sha256="../a"), "64 hexadecimal digits in lower case", id="no hash"),
        pytest.param(entry_with(version="01"), "numbers with dots between them", id="zero before"),
        pytest.param(Changed(lambda entry: [entry, entry]), "each version once", id="twice"),
        pytest.param(entry_with(size=10), "a file of at most 10 bytes", id="size"),
        pytest.param(entry_with(size=-1), "an index of environments", id="negative"),
        pytest.param(entry_with(name="Other"), "says that it is Other@", id="name"),
        pytest.param(entry_with(name="../a"), "letters, digits", id="odd name"),
    ],
)
def test_hostile_repositories_are_refused(server, url, published, env, index, words):
    good, module = published
    server.answers = {f"/environments/{good['environments'][0]['path']}": module}
    name = "Line"
    if isinstance(index, Changed):
        entries = index.entries(good["environments"][0])
        name = entries[0]["name"]
        index = json.dumps({"environments": entries}).encode()
    server.answers["/environments/index.json"] = index
    refused = env("add", name, "--index", url)
    assert refused.returncode in (1, 2), refused.stdout
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "panicked" not in refused.stderr
    assert kept(env) == []


def test_a_module_that_is_cut_off_leaves_nothing(server, url, published, env):
    index, module = published
    server.answers = {
        "/environments/index.json": json.dumps(index).encode(),
        f"/environments/{index['environments'][0]['path']}": cut_off(module),
    }
    refused = env("add", "Line", "--index", url)
    assert refused.returncode == 1
    assert f"{len(module) // 2} of {len(module)} bytes" in refused.stderr
    assert kept(env) == []


def test_certificates_are_verified(server, url, env, monkeypatch):
    server.answers = {"/environments/index.json": b'{"environments": []}'}
    monkeypatch.delenv("SSL_CERT_FILE")
    refused = env("list", "--index", url)
    assert refused.returncode == 1
    assert "certificate verify failed" in refused.stderr
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    # The certificate is one for localhost and its address.
    assert env("list", "--index", url.replace("localhost", "127.0.0.1")).returncode == 0
    assert server.asked == ["/environments/index.json"]


@pytest.mark.parametrize("place", ["http://localhost/a", "ftp://localhost", "https://localhost/?a", "data://a"])
def test_other_urls_are_refused(env, place):
    refused = env("list", "--index", place)
    assert refused.returncode == 2
    assert "a folder, or a file: or https: URL" in refused.stderr


def test_no_server_is_an_error(env):
    refused = env("list", "--index", "https://localhost:9/environments")
    assert refused.returncode == 1
    assert "no answer" in refused.stderr


def test_modules_are_not_published_to_the_web(env, published, tmp_path):
    module = write_line(tmp_path / "line.wasm")
    refused = env("publish", module, "--index", "https://localhost:9/environments")
    assert refused.returncode == 2
    assert "a folder, to be published from there" in refused.stderr
