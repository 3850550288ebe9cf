"""The watch's server over real sockets: who may ask, for what, and which part of it."""

import http.client
import json
import socket
import threading
import time

import pytest

from i2v3d.errors import UsageError
from i2v3d.report.watch_page import watch_pages
from i2v3d.report.watch_server import HOST, Served, WatchServer

VIDEO = bytes(range(256)) * 40


@pytest.fixture
def out_dir(tmp_path):
    out = tmp_path / "out"
    (out / "keyframes").mkdir(parents=True)
    (out / "preview.mp4").write_bytes(VIDEO)
    (out / "keyframes" / "000000.png").write_bytes(b"png")
    (out / "report.html").write_text("<title>report</title>")
    (out / "private.txt").write_text("secret")
    (out / ".hidden").write_text("secret")
    (tmp_path / "outside.txt").write_text("secret")
    (out / "link.mp4").symlink_to(tmp_path / "outside.txt")
    return out


PLACES = ("preview.mp4", "keyframes", "report.html", "link.mp4", ".hidden", "empty.mp4")


@pytest.fixture
def server(out_dir):
    server = WatchServer(watch_pages("a <b> scene"), _free_port())
    server.update(Served({"phase": "ready"}, out_dir, PLACES))
    yield server
    server.close()


def _free_port():
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        return listening.getsockname()[1]


def ask(server, path, *, method="GET", **headers):
    connection = http.client.HTTPConnection(HOST, server.port, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def raw(server, request: bytes) -> bytes:
    """Sends bytes as they are: clients tidy paths up before they send them."""
    with socket.create_connection((HOST, server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
        return answer


def test_the_page_says_what_it_is_and_lets_nothing_foreign_in(server):
    response, content = ask(server, "/")
    assert response.status == 200
    assert b"a &lt;b&gt; scene" in content
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert content.count(f'nonce="{nonce}"'.encode()) == 2
    assert b"{{NONCE}}" not in content
    assert f"nonce-{nonce}" not in ask(server, "/")[0].headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "192.168.0.7:{port}", "127.0.0.1:1"]
)
@pytest.mark.parametrize("path", ["/", "/events", "/state", "/files/preview.mp4"])
def test_requests_for_another_host_are_refused(server, host, path):
    response, content = ask(server, path, Host=host.format(port=server.port))
    assert response.status == 403
    assert b"ready" not in content and VIDEO[:50] not in content


def test_a_request_without_a_host_is_refused(server):
    assert raw(server, b"GET /state HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403")


def test_localhost_is_this_machine_too(server):
    assert ask(server, "/state", Host=f"localhost:{server.port}")[0].status == 200


def test_it_listens_on_the_loopback_address_alone(server):
    assert server._server.server_address[0] == "127.0.0.1"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port), timeout=2).close()


def test_deliverables_are_served_with_their_type(server):
    response, content = ask(server, "/files/preview.mp4?v=3")
    assert (response.status, response.headers["Content-Type"], content) == (200, "video/mp4", VIDEO)
    assert response.headers["Cache-Control"] == "no-store"
    assert ask(server, "/files/keyframes/000000.png")[1] == b"png"
    assert ask(server, "/files/report.html")[1] == b"<title>report</title>"
    assert b"iframe" in ask(server, "/report")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/files/../outside.txt",
        "/files/%2e%2e/outside.txt",
        "/files/keyframes/../private.txt",
        "/files/keyframes/..%2fprivate.txt",
        "/files/keyframes/../../outside.txt",
        "/files//etc/passwd",
        "/files/%2fetc%2fpasswd",
        "/files/..%5c..%5coutside.txt",
        "/files/keyframes%00.png",
        "/files/private.txt",
        "/files/.hidden",
        "/files/link.mp4",
        "/files/keyframes",
        "/files/keyframes/",
        "/files/",
        "/files",
        "/scene.yaml",
        "//etc/passwd",
        "/files/preview.mp4x",
    ],
)
def test_nothing_else_is_served(server, path):
    answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]
    assert b"secret" not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_only_reads(server, method):
    assert ask(server, "/files/preview.mp4", method=method)[0].status == 501


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, len(VIDEO) - 1),
        ("bytes=-256", len(VIDEO) - 256, len(VIDEO) - 1),
        ("bytes=0-", 0, len(VIDEO) - 1),
        (f"bytes=10-{10 * len(VIDEO)}", 10, len(VIDEO) - 1),
        (f"bytes=-{10 * len(VIDEO)}", 0, len(VIDEO) - 1),
        (f"bytes={len(VIDEO) - 1}-{len(VIDEO) - 1}", len(VIDEO) - 1, len(VIDEO) - 1),
    ],
)
def test_a_part_of_a_video_can_be_asked_for(server, asked, first, last):
    response, content = ask(server, "/files/preview.mp4", Range=asked)
    assert (response.status, content) == (206, VIDEO[first : last + 1])
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(VIDEO)}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=x-9", "lines=1-2", "bytes=0-1,5-6"])
def test_what_is_no_single_range_gets_the_whole(server, asked):
    response, content = ask(server, "/files/preview.mp4", Range=asked)
    assert (response.status, content) == (200, VIDEO)
    assert response.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("asked", [f"bytes={len(VIDEO)}-", "bytes=99999999-", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused_with_the_size(server, asked):
    response, content = ask(server, "/files/preview.mp4", Range=asked)
    assert (response.status, content) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{len(VIDEO)}"


def test_an_empty_file_is_served_and_has_no_parts(server, out_dir):
    (out_dir / "empty.mp4").touch()
    assert ask(server, "/files/empty.mp4")[0].status == 200
    assert ask(server, "/files/empty.mp4", Range="bytes=0-")[0].status == 416


def test_head_tells_the_size_without_the_content(server):
    response, content = ask(server, "/files/preview.mp4", method="HEAD")
    assert (response.status, int(response.headers["Content-Length"]), content) == (200, len(VIDEO), b"")


def test_a_file_that_is_replaced_while_it_is_sent_comes_whole(server, out_dir):
    large = b"a" * 20_000_000
    (out_dir / "preview.mp4").write_bytes(large)
    connection = http.client.HTTPConnection(HOST, server.port, timeout=10)
    connection.request("GET", "/files/preview.mp4")
    response = connection.getresponse()
    start = response.read(1000)
    beside = out_dir / "beside"
    beside.write_bytes(b"b" * 1000)
    beside.replace(out_dir / "preview.mp4")
    assert start + response.read() == large
    connection.close()
    assert ask(server, "/files/preview.mp4")[1] == b"b" * 1000


def events_of(server, count, found):
    connection = http.client.HTTPConnection(HOST, server.port, timeout=10)
    connection.request("GET", "/events")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"
    while len(found) < count and (line := response.readline()):
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:]))
    connection.close()


def test_every_open_page_hears_of_each_new_state(server, out_dir):
    heard: list[list[dict]] = [[], []]
    threads = [threading.Thread(target=events_of, args=(server, 3, found)) for found in heard]
    for thread in threads:
        thread.start()
    for number in (1, 2):
        _wait_until(lambda number=number: all(len(found) >= number for found in heard))
        server.update(Served({"phase": "building", "number": number}, out_dir, PLACES))
    for thread in threads:
        thread.join(10)
    assert heard == [[{"phase": "ready"}, *({"phase": "building", "number": number} for number in (1, 2))]] * 2


def test_open_pages_do_not_keep_it_from_ending(out_dir):
    server = WatchServer({"/": "page"}, _free_port())
    server.update(Served({"phase": "ready"}, out_dir, PLACES))
    found: list[dict] = []
    page = threading.Thread(target=events_of, args=(server, 2, found))
    page.start()
    _wait_until(lambda: found)
    server.close()
    page.join(5)
    assert not page.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, server.port), timeout=2)


def test_a_taken_port_is_an_error_when_it_was_asked_for_and_passed_over_when_not(server):
    with pytest.raises(UsageError, match=f"port {server.port} can't be used"):
        WatchServer({}, server.port)
    first, second = WatchServer({}), WatchServer({})
    try:
        assert first.port != second.port
    finally:
        first.close()
        second.close()


def _wait_until(is_true):
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
