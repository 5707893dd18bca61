"""The data sets: what is read, what is refused, how it is downloaded, and the order of the mini-batches."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from rich.console import Console

from bnexp import data
from bnexp.config import ConfigError, DataConfig
from bnexp.data import BatchOrder, DataError, download, mnist
from bnexp.data.download import KnownFile

Contents = dict[str, bytes]  # by file name
Answer = Callable[[BaseHTTPRequestHandler, str], None]  # given the name of the file asked for
NAMES = [packed.name for packed, _ in mnist.FILES]
FIRST_TEST_LABELS = [2, 8, 2, 6, 6, 7, 1, 9, 8, 5, 2, 8, 6, 6, 6, 6, 1, 0, 5, 8]
FIRST_BATCHES = [[27454, 41159, 21669, 34646, 26599], [58101, 53281, 39553, 42391, 33678]]


def known(name: str, content: bytes) -> KnownFile:
    return KnownFile(name, len(content), hashlib.sha256(content).hexdigest())


def idx(array: torch.Tensor) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.dim()]) + sizes + array.to(torch.uint8).numpy().tobytes()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """A small MNIST (40 training, 12 test images of 5x4), known in place of the real one."""
    g = torch.Generator().manual_seed(1)
    contents: Contents = {}
    table = []
    for (packed, plain), shape in zip(mnist.FILES, [(40, 5, 4), (40,), (12, 5, 4), (12,)], strict=True):
        values = torch.randint(256 if len(shape) == 3 else 10, shape, generator=g)
        contents[plain.name] = idx(values)
        contents[packed.name] = gzip.compress(contents[plain.name], mtime=0)
        table.append((known(packed.name, contents[packed.name]), known(plain.name, contents[plain.name])))
    monkeypatch.setattr(mnist, "FILES", tuple(table))
    return contents


def put(root: Path, contents: Contents, *names: str) -> Path:
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        (folder / name).write_bytes(contents[name])
    return folder


def config(root: Path | str, name: str = "mnist", binarize: bool = False) -> DataConfig:
    return DataConfig(name=name, binarize=binarize, root=str(root))


def refuse(notice: str) -> None:
    pytest.fail(f"unexpected notice: {notice}")


# Servers


class Server:
    """An HTTP server on 127.0.0.1 that answers each path by `answer`, and records what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                server.asked.append(name)
                answer(self, name)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=partial(self.http.serve_forever, poll_interval=0.02))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


Serve = Callable[[Answer], Server]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def sending(contents: Contents) -> Answer:
    """Answers with the file asked for, or 404."""

    def answer(handler: BaseHTTPRequestHandler, name: str) -> None:
        if name not in contents:
            handler.send_error(404)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(contents[name])))
        handler.end_headers()
        handler.wfile.write(contents[name])

    return answer


def use(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    monkeypatch.setattr(mnist, "mirrors", lambda: urls)


def closed_port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}/"


def leftovers(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# MNIST as published


@pytest.fixture(scope="module")
def real_root() -> str:
    root = os.environ.get("BNEXP_DATA")
    if not root or mnist.missing(root):
        pytest.skip("needs the real MNIST: set BNEXP_DATA to a folder that has it in MNIST/raw")
    return root


def test_mnist_is_the_published_one_in_its_official_split(real_root: str) -> None:
    got = data.load(config(real_root))
    assert (got.name, got.title, got.stand_in, got.classes) == ("mnist", "MNIST", False, 10)
    assert got.train_images.shape == (60_000, 1, 28, 28)
    assert got.train_images.dtype == torch.uint8
    assert got.test_images.shape == (10_000, 1, 28, 28)
    assert got.test_images.dtype == torch.uint8
    assert got.train_labels.dtype == got.test_labels.dtype == torch.int64
    assert got.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert got.train_labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert got.test_labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    published = {form.name: form.sha256 for forms in mnist.FILES for form in forms}
    assert len(got.sha256) == 4
    assert got.sha256.items() <= published.items()


def test_uncompressed_mnist_is_known_too_and_read_as_torchvision_reads_it(real_root: str, tmp_path: Path) -> None:
    folder = mnist.folder(str(tmp_path))
    folder.mkdir(parents=True)
    for packed, plain in mnist.FILES:
        source = mnist.folder(real_root) / packed.name
        if not source.is_file():
            pytest.skip("needs the compressed files of MNIST")
        (folder / plain.name).write_bytes(gzip.decompress(source.read_bytes()))
    from torchvision.datasets import MNIST  # type: ignore[import-untyped]

    got = mnist.read(str(tmp_path))
    assert set(got.sha256) == {plain.name for _, plain in mnist.FILES}
    theirs = MNIST(str(tmp_path), train=True)
    assert torch.equal(got.train_images[:, 0], theirs.data)
    assert torch.equal(got.train_labels, theirs.targets)
    theirs = MNIST(str(tmp_path), train=False)
    assert torch.equal(got.test_images[:, 0], theirs.data)
    assert torch.equal(got.test_labels, theirs.targets)


def test_the_files_are_those_of_torchvision() -> None:
    from torchvision.datasets import MNIST

    assert [name for name, _ in MNIST.resources] == NAMES
    assert list(mnist.mirrors()) == MNIST.mirrors


# Reading


def test_images_and_labels_are_read_in_order_from_either_form(small: Contents, tmp_path: Path) -> None:
    put(tmp_path, small, NAMES[0], NAMES[1].removesuffix(".gz"), NAMES[2], NAMES[3])
    got = data.load(config(tmp_path))
    assert got.train_images.shape == (40, 1, 5, 4)
    assert got.test_images.shape == (12, 1, 5, 4)
    assert got.train_images.numpy().tobytes() == small["train-images-idx3-ubyte"][16:]
    assert bytes(got.train_labels.tolist()) == small["train-labels-idx1-ubyte"][8:]
    assert got.test_images.numpy().tobytes() == small["t10k-images-idx3-ubyte"][16:]
    assert bytes(got.test_labels.tolist()) == small["t10k-labels-idx1-ubyte"][8:]
    assert list(got.sha256) == [NAMES[0], "train-labels-idx1-ubyte", NAMES[2], NAMES[3]]


def test_the_compressed_file_goes_first(small: Contents, tmp_path: Path) -> None:
    folder = put(tmp_path, small)
    (folder / "train-images-idx3-ubyte").write_bytes(b"never looked at")
    assert list(data.load(config(tmp_path)).sha256) == NAMES


def test_reading_writes_nothing(small: Contents, tmp_path: Path) -> None:
    put(tmp_path, small)
    before = leftovers(tmp_path)
    data.resolve(config(tmp_path, "auto"), refuse)
    data.load(config(tmp_path))
    data.status(str(tmp_path))
    assert leftovers(tmp_path) == before


def test_pixels_are_floats_between_0_and_1_and_leave_the_images_alone() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)
    got = data.pixels(images)
    assert got.dtype == torch.float32
    assert got.tolist() == pytest.approx([0, 0.2, 1])
    assert images.tolist() == [0, 51, 255]


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_binarised_pixels_are_exactly_0_or_1_by_the_threshold(name: str, small: Contents, tmp_path: Path) -> None:
    put(tmp_path, small)
    grey, binary = data.load(config(tmp_path, name)), data.load(config(tmp_path, name, binarize=True))
    for before, after in [(grey.train_images, binary.train_images), (grey.test_images, binary.test_images)]:
        assert set(data.pixels(after).flatten().tolist()) == {0, 1}
        assert torch.equal(data.pixels(after) == 1, before > 127)
    assert binary.title == f"{grey.title}, binary"
    assert binary.name == name
    assert torch.equal(grey.train_labels, binary.train_labels)


def test_to_moves_every_tensor() -> None:
    moved = data.load(config("", "digits")).to("meta")
    tensors = moved.train_images, moved.train_labels, moved.test_images, moved.test_labels
    assert {t.device.type for t in tensors} == {"meta"}
    assert moved.title == "UCI digits"


def test_auto_is_not_loaded_unresolved() -> None:
    with pytest.raises(ValueError, match="resolved"):
        data.load(config("", "auto"))


# Damage


def cut(content: bytes) -> bytes:
    return content[:-7]


def corrupt(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("suffix", [".gz", ""])
@pytest.mark.parametrize("damage", [cut, corrupt])
def test_a_damaged_file_is_named_with_what_was_expected_and_found(
    damage: Callable[[bytes], bytes], suffix: str, small: Contents, tmp_path: Path
) -> None:
    name = f"train-images-idx3-ubyte{suffix}"
    folder = put(tmp_path, small, name, *NAMES[1:])
    bad = damage(small[name])
    (folder / name).write_bytes(bad)
    if damage is cut:
        facts = [f"{len(bad):,} bytes", f"{len(small[name]):,}"]
    else:
        facts = [hashlib.sha256(bad).hexdigest(), hashlib.sha256(small[name]).hexdigest()]
    attempts: list[Callable[[], object]] = [
        lambda: data.load(config(tmp_path)),
        lambda: data.resolve(config(tmp_path), refuse),
        lambda: data.resolve(config(tmp_path, "auto"), refuse),
        lambda: data.fetch("mnist", str(tmp_path)),
    ]
    for attempt in attempts:
        with pytest.raises(DataError) as error:
            attempt()
        for part in [str(folder / name), "delete it and run `bnexp data mnist`", *facts]:
            assert part in str(error.value)
        assert "\n" not in str(error.value)
    assert (folder / name).read_bytes() == bad


def test_status_tells_whole_missing_and_damaged_files_apart(small: Contents, tmp_path: Path) -> None:
    folder = put(tmp_path, small, NAMES[0], NAMES[1], "t10k-images-idx3-ubyte")
    (folder / NAMES[1]).write_bytes(cut(small[NAMES[1]]))
    found = data.status(str(tmp_path))
    assert [(f.name, f.state) for f in found["mnist"]] == [
        (NAMES[0], "whole"),
        (NAMES[1], "damaged"),
        ("t10k-images-idx3-ubyte", "whole"),
        (NAMES[3], "missing"),
    ]
    assert [f.size for f in found["mnist"]] == [
        len(small[NAMES[0]]),
        len(small[NAMES[1]]) - 7,
        len(small["t10k-images-idx3-ubyte"]),
        0,
    ]
    assert found["mnist"][0].path == folder / NAMES[0]
    (packaged,) = found["digits"]
    assert packaged.state == "there"
    assert packaged.path.is_file()
    assert packaged.size > 0


def test_a_file_that_cannot_be_read_is_said_to_be_so(
    small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, small)

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)  # permissions mean nothing to root, as whom containers run tests
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        data.load(config(tmp_path))


# Resolving


def test_mnist_that_is_there_is_taken_without_a_word_or_a_download(
    small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, small)
    monkeypatch.setattr(mnist, "mirrors", lambda: pytest.fail("a download was tried"))
    asked = config(tmp_path, "auto", binarize=True)
    assert data.resolve(asked, refuse) == config(tmp_path, "mnist", binarize=True)
    assert asked.name == "auto"
    assert data.resolve(config(tmp_path), refuse) == config(tmp_path)
    assert data.fetch("mnist", str(tmp_path)) == []


def test_digits_by_name_come_without_a_notice(tmp_path: Path) -> None:
    assert data.resolve(config(tmp_path, "digits"), refuse) == config(tmp_path, "digits")
    assert data.fetch("digits", str(tmp_path)) == []
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("download", [True, False])
def test_auto_falls_back_to_digits_with_a_notice(
    download: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, closed_port())
    notices: list[str] = []
    got = data.resolve(config(tmp_path / "none", "auto", binarize=True), notices.append, download=download)
    assert got == config(tmp_path / "none", "digits", binarize=True)
    (notice,) = notices
    for part in ["NOT MNIST", "1,797", "8x8", "bnexp data mnist", "BNEXP_DATA", "data=digits", *NAMES]:
        assert part in notice
    assert str(tmp_path / "none" / "MNIST" / "raw") in notice
    assert notice.count("\n") > 4
    assert ("Connection refused" in notice) == download
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("download", [True, False])
def test_mnist_by_name_and_not_to_be_had_is_an_error_with_ways_out(
    download: bool, small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, closed_port())
    folder = put(tmp_path, small, NAMES[1])
    with pytest.raises(DataError) as error:
        data.resolve(config(tmp_path), refuse, download=download)
    message = str(error.value)
    ways = ["`bnexp data mnist`", "by hand", "BNEXP_DATA", "data.root", "data=digits"]
    for part in [str(folder), NAMES[0], NAMES[2], NAMES[3], *ways]:
        assert part in message
    assert NAMES[1] not in message
    assert "\n" not in message
    assert ("Connection refused" in message) == download
    with pytest.raises(DataError, match=r"is missing.*bnexp data mnist"):
        data.load(config(tmp_path))


def test_auto_downloads_mnist_where_it_can(
    small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    use(monkeypatch, serve(sending(small)).url)
    assert data.resolve(config(tmp_path, "auto"), refuse).name == "mnist"
    assert data.load(config(tmp_path)).train_labels.shape == (40,)


# Downloads


@pytest.mark.parametrize("terminal", [True, False])
def test_only_what_is_missing_is_downloaded_and_progress_shown(
    terminal: bool, small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    server = serve(sending(small))
    use(monkeypatch, server.url)
    folder = put(tmp_path, small, NAMES[0], "train-labels-idx1-ubyte")
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    assert data.fetch("mnist", str(tmp_path), console) == [folder / NAMES[2], folder / NAMES[3]]
    assert server.asked == NAMES[2:]
    assert [f.state for f in data.status(str(tmp_path))["mnist"]] == ["whole"] * 4
    assert len(leftovers(tmp_path)) == 4
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert NAMES[2] in shown
    assert NAMES[3] in shown
    if not terminal:
        assert shown.count("\n") == 2


def no_answer(handler: BaseHTTPRequestHandler, name: str) -> None:
    with contextlib.suppress(OSError):
        handler.connection.recv(1)  # returns when the client hangs up


def stalls(handler: BaseHTTPRequestHandler, name: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"some")
    no_answer(handler, name)


def breaks_off(handler: BaseHTTPRequestHandler, name: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"some")


def endless(handler: BaseHTTPRequestHandler, name: str) -> None:
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(bytes(1 << 16))


FAILURES: dict[str, tuple[Answer | None, str]] = {
    "no answer": (no_answer, "nothing came for 0.5 s"),
    "stalls": (stalls, "nothing came for 0.5 s"),
    "breaks off": (breaks_off, "4 bytes long, not"),
    "endless": (endless, "bytes long, not"),
    "corrupt": (None, "has SHA-256"),  # its answer needs the files
    "absent": (sending({}), "HTTP status 404"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_download_says_why_and_leaves_nothing_and_the_next_mirror_is_tried(
    failure: str, small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    answer, reason = FAILURES[failure]
    if "nothing came" in reason:
        monkeypatch.setattr(download, "PATIENCE", 0.5)
    bad = serve(answer or sending({name: corrupt(content) for name, content in small.items()}))

    use(monkeypatch, bad.url)
    start = time.perf_counter()
    with pytest.raises(DataError) as error:
        data.fetch("mnist", str(tmp_path))
    assert time.perf_counter() - start < 5
    for part in [NAMES[0], bad.url, reason]:
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert bad.asked == [NAMES[0]], "one failure is enough to give up"
    assert leftovers(tmp_path) == []

    good = serve(sending(small))
    use(monkeypatch, bad.url, good.url)
    assert len(data.fetch("mnist", str(tmp_path))) == 4
    assert good.asked == NAMES
    assert data.load(config(tmp_path)).test_labels.shape == (12,)


def test_a_refused_connection_names_each_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = closed_port(), closed_port()
    use(monkeypatch, first, second)
    with pytest.raises(DataError) as error:
        data.fetch("mnist", str(tmp_path))
    assert str(error.value).count("Connection refused") == 2
    assert first in str(error.value)
    assert second in str(error.value)


def test_a_name_server_that_does_not_answer_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "http://one.invalid/", "http://two.invalid/")
    monkeypatch.setattr(download, "PATIENCE", 0.1)
    over = threading.Event()

    def stuck(*args: object, **kwargs: object) -> None:
        over.wait(30)

    monkeypatch.setattr(download, "urlopen", stuck)
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"nothing came for 0\.1 s"):
        data.fetch("mnist", str(tmp_path))
    assert time.perf_counter() - start < 5
    over.set()


def test_what_was_downloaded_before_a_failure_is_kept(
    small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    use(monkeypatch, serve(sending({name: small[name] for name in NAMES[:2]})).url)
    with pytest.raises(DataError, match=NAMES[2]):
        data.fetch("mnist", str(tmp_path))
    assert mnist.missing(str(tmp_path)) == NAMES[2:]


def test_a_folder_that_cannot_be_written_is_found_out_before_the_download(
    small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, closed_port())
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file/MNIST/raw cannot be written .*BNEXP_DATA"):
        data.fetch("mnist", str(tmp_path / "file"))


def test_a_full_disk_leaves_no_part_behind(
    small: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    use(monkeypatch, serve(sending(small)).url)

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="No space left on device"):
        data.fetch("mnist", str(tmp_path))
    assert leftovers(tmp_path) == []


def test_an_unknown_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data set cifar.*mnist, digits"):
        data.fetch("cifar", str(tmp_path))


# The stand-in


def test_digits_are_split_once_and_for_all() -> None:
    got = data.load(config("", "digits"))
    assert (got.name, got.title, got.stand_in, got.classes) == ("digits", "UCI digits", True, 10)
    assert got.train_images.shape == (1297, 1, 8, 8)
    assert got.test_images.shape == (500, 1, 8, 8)
    assert got.train_images.dtype == got.test_images.dtype == torch.uint8
    assert got.train_labels.dtype == got.test_labels.dtype == torch.int64
    assert got.test_labels[:20].tolist() == FIRST_TEST_LABELS
    assert list(got.sha256.values()) == ["a19cb3d96bba7deace8ee5a513a6eb7bad0403d528f00bf4d351b6a7a55baa91"]


def test_digits_hold_each_packaged_example_once() -> None:
    from sklearn.datasets import load_digits

    got, packaged = data.load(config("", "digits")), load_digits()
    images = torch.cat([got.train_images, got.test_images]).flatten(1)
    labels = torch.cat([got.train_labels, got.test_labels])
    split = sorted((tuple(i), y) for i, y in zip(images.tolist(), labels.tolist(), strict=True))
    scaled = [[math.floor(v * 255 / 16 + 0.5) for v in image] for image in packaged.data]
    assert split == sorted((tuple(i), y) for i, y in zip(scaled, packaged.target.tolist(), strict=True))
    train = {tuple(i) for i in got.train_images.flatten(1).tolist()}
    assert not train & {tuple(i) for i in got.test_images.flatten(1).tolist()}
    assert images.min() == 0
    assert images.max() == 255


def test_larger_digits_are_the_same_ones_in_the_place_of_photographs() -> None:
    small, large = data.load(config("", "digits")), data.load(config("", "digits_32"))
    assert (large.name, large.stand_in, large.classes) == ("digits_32", True, 10)
    assert large.train_images.shape == (1297, 3, 32, 32)
    assert large.train_images[:, 1, 2::4, 1::4].equal(small.train_images[:, 0])
    assert large.test_labels.equal(small.test_labels)
    assert len(large.centre) == 3


def test_without_cifar10_pictures_are_the_stand_in_with_a_notice(tmp_path: Path) -> None:
    said: list[str] = []
    wanted = DataConfig(name="pictures", root=str(tmp_path), validation=5000, crop=32, padding=4)
    got = data.resolve(wanted, said.append, download=False)
    assert (got.name, got.validation, got.crop) == ("digits_32", 259, 32)
    assert "THIS IS NOT CIFAR-10" in said[0]
    with pytest.raises(DataError, match="CIFAR-10 is not in"):
        data.resolve(replace(wanted, name="cifar10"), said.append, download=False)


# The order of the mini-batches


def test_each_epoch_is_a_fresh_pass_without_its_incomplete_batch() -> None:
    order = BatchOrder(examples=10, batch=3, seeds=[4])
    epochs = [torch.cat([order.next()[0] for _ in range(3)]).tolist() for _ in range(20)]
    for epoch in epochs:
        assert len(set(epoch)) == 9
        assert set(epoch) <= set(range(10))
    assert len({tuple(epoch) for epoch in epochs}) == 20
    assert set().union(*epochs) == set(range(10)), "what an epoch drops must change"


def test_a_batch_of_everything_is_a_permutation() -> None:
    order = BatchOrder(examples=6, batch=6, seeds=[0])
    assert sorted(order.next()[0].tolist()) == sorted(order.next()[0].tolist()) == list(range(6))


def test_the_order_depends_on_the_seed_alone_and_not_on_the_neighbours() -> None:
    together, alone, again = BatchOrder(50, 7, [3, 9, 3]), BatchOrder(50, 7, [9]), BatchOrder(50, 7, [9])
    for _ in range(30):
        batch = together.next()
        assert batch.shape == (3, 7)
        assert batch.dtype == torch.int64
        assert torch.equal(batch[0], batch[2])
        assert not torch.equal(batch[0], batch[1])
        assert torch.equal(batch[1:2], alone.next())
        assert torch.equal(batch[1:2], again.next())


def test_a_batch_stays_as_it_was_when_the_next_epoch_begins() -> None:
    order = BatchOrder(8, 4, [1])
    first = order.next()
    before = first.clone()
    for _ in range(5):
        order.next()
    assert torch.equal(first, before)


def test_the_order_is_the_one_that_finished_runs_were_trained_in() -> None:
    order = BatchOrder(60_000, 5, [0, 1])
    assert order.next().tolist() == FIRST_BATCHES


def test_the_order_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    BatchOrder(20, 5, [0]).next()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_batch_larger_than_the_training_set_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch=1298 is larger than the training set of 1,297 examples"):
        BatchOrder(1297, 1298, [0])
