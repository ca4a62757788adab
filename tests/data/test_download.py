"""Downloading from a local server that breaks in every way."""

import hashlib
import json
import random
from collections import namedtuple

import pytest
from servers import Behaviour, serving

from kewcore.data.download import download
from kewcore.errors import DownloadError, StorageError

pytestmark = pytest.mark.unit

CONTENT = random.Random(1).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetch(url, folder, tries=3):
    return download(url, folder / "file.bin", tries=tries, backoff_s=0.01, timeout_s=5)


def test_a_whole_download_is_recorded_and_not_repeated(tmp_path, capsys):
    server = Behaviour(CONTENT)
    with serving(server) as url:
        artefact = fetch(url, tmp_path)
        assert artefact == fetch(url, tmp_path)
    assert (artefact.size_bytes, artefact.sha256) == (len(CONTENT), SHA256)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    record = json.loads((tmp_path / "file.bin.json").read_text())
    assert record["url"] == url
    assert (record["size_bytes"], record["sha256"]) == (len(CONTENT), SHA256)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.bin", "file.bin.json"]
    assert len(server.requests) == 1
    assert "is there already; nothing downloaded" in capsys.readouterr().err


def test_a_cut_connection_is_resumed_within_the_same_call(tmp_path):
    server = Behaviour(CONTENT, cut_after=[1_000_000, 700_000])
    with serving(server) as url:
        assert fetch(url, tmp_path).sha256 == SHA256
    assert [request.get("Range") for request in server.requests] == [None, "bytes=1000000-", "bytes=1700000-"]


def test_a_cut_connection_is_resumed_by_the_next_call(tmp_path):
    server = Behaviour(CONTENT, cut_after=[1_234_567])
    with serving(server) as url:
        with pytest.raises(DownloadError) as caught:
            fetch(url, tmp_path, tries=1)
        assert "the connection ended after 1234567 of 3000000 bytes" in caught.value.message
        assert caught.value.hint == "run the same command again: it goes on from 1234567 bytes"
        assert not (tmp_path / "file.bin").exists()
        assert fetch(url, tmp_path).sha256 == SHA256
    assert server.requests[1]["Range"] == "bytes=1234567-"


def test_attempts_that_bring_something_do_not_use_up_the_tries(tmp_path):
    server = Behaviour(CONTENT, cut_after=[300_000] * 8)
    with serving(server) as url:
        assert fetch(url, tmp_path, tries=2).sha256 == SHA256


def test_a_server_without_ranges_starts_afresh(tmp_path, capsys):
    server = Behaviour(CONTENT, ranges=False, cut_after=[1_000_000])
    with serving(server) as url:
        assert fetch(url, tmp_path).sha256 == SHA256
    assert "the server starts the file afresh" in capsys.readouterr().err


def test_a_server_without_validators_starts_afresh(tmp_path):
    server = Behaviour(CONTENT, etag=False, cut_after=[1_000_000])
    with serving(server) as url:
        assert fetch(url, tmp_path).sha256 == SHA256
    assert "Range" not in server.requests[1]


@pytest.mark.parametrize("length", [3_000_000, 500_000])
def test_a_file_that_changed_is_not_patched_together(tmp_path, length):
    server = Behaviour(CONTENT, cut_after=[1_000_000])
    with serving(server) as url:
        with pytest.raises(DownloadError):
            fetch(url, tmp_path, tries=1)
        server.content = random.Random(2).randbytes(length)
        assert fetch(url, tmp_path).sha256 == hashlib.sha256(server.content).hexdigest()


def test_a_part_that_is_whole_already(tmp_path):
    server = Behaviour(CONTENT, cut_after=[len(CONTENT) - 1])
    with serving(server) as url:
        with pytest.raises(DownloadError):
            fetch(url, tmp_path, tries=1)
        with (tmp_path / "file.bin.part").open("ab") as part:
            part.write(CONTENT[-1:])
        assert fetch(url, tmp_path).sha256 == SHA256


def test_a_part_of_another_address_is_not_used(tmp_path):
    server, other = Behaviour(CONTENT, cut_after=[1_000_000]), Behaviour(CONTENT[::-1])
    with serving(server) as url, serving(other) as elsewhere:
        with pytest.raises(DownloadError):
            fetch(url, tmp_path, tries=1)
        fetch(elsewhere, tmp_path)
    assert "Range" not in other.requests[0]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT[::-1]


def test_a_length_that_is_never_reached(tmp_path):
    with serving(Behaviour(CONTENT, etag=False, extra_length=10)) as url, pytest.raises(DownloadError) as caught:
        fetch(url, tmp_path, tries=2)
    assert "could not be downloaded in 2 attempts" in caught.value.message
    assert "the connection ended after 3000000 of" in caught.value.message


def test_a_missing_file_is_not_asked_for_twice(tmp_path):
    server = Behaviour(CONTENT, statuses=[404])
    with serving(server) as url, pytest.raises(DownloadError) as caught:
        fetch(url, tmp_path)
    assert caught.value.message == f"'{url}' cannot be downloaded: the server answered 404 Not Found"
    assert caught.value.hint == "give another address with --url"
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again(tmp_path, capsys):
    with serving(Behaviour(CONTENT, statuses=[503, 500])) as url:
        assert fetch(url, tmp_path).sha256 == SHA256
    assert "the server answered 503 Service Unavailable; trying again" in capsys.readouterr().err


def test_a_server_that_is_not_there(tmp_path):
    with serving(Behaviour(CONTENT)) as url:
        pass
    with pytest.raises(DownloadError) as caught:
        fetch(url, tmp_path, tries=2)
    assert "could not be downloaded in 2 attempts: the server cannot be reached: " in caught.value.message
    assert caught.value.hint == "check the network, or give another address with --url"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "http://[x", "http:///x", "https://", "http://a b/x", "http://host:port/x", "http://h/\n"],
)
def test_only_web_addresses(tmp_path, url):
    with pytest.raises(DownloadError) as caught:
        fetch(url, tmp_path)
    assert caught.value.message == f"cannot download '{url}': expected an address such as https://host/file"
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_space_is_said_before_it_is_filled(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("kewcore.data.download.shutil.disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with (
        serving(Behaviour(CONTENT)) as url,
        pytest.raises(StorageError, match=r"has 3000000 bytes, but .* has 1000 left"),
    ):
        fetch(url, tmp_path)


def test_a_damaged_copy_is_downloaded_again(tmp_path):
    server = Behaviour(CONTENT)
    with serving(server) as url:
        fetch(url, tmp_path)
        (tmp_path / "file.bin").write_bytes(b"damaged")
        assert fetch(url, tmp_path).sha256 == SHA256
    assert len(server.requests) == 2
