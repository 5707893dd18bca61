"""CIFAR-10, Tiny ImageNet and folders of pictures: read, cached, refused; and what becomes of an image on its way."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
import torch
import torchvision.datasets.cifar as tv

from bnexp import data
from bnexp.config import ConfigError, DataConfig
from bnexp.data import BatchOrder, View, cifar10, decoding, folders, tiny_imagenet
from bnexp.data.batches import feed
from bnexp.data.dataset import DataError, Dataset, coloured
from bnexp.data.download import KnownFile
from bnexp.seeds import stream


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BNEXP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def known(path: Path) -> KnownFile:
    content = path.read_bytes()
    return KnownFile(path.name, len(content), hashlib.sha256(content).hexdigest())


# CIFAR-10


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small `cifar10-jpeg.zip`."""
    files = {
        f"{part}/{name}/{n:04d}.jpg": pictures.picture(label, n + 500 * (part == "test"))
        for part, count in (("train", 6), ("test", 2))
        for label, name in enumerate(("airplane", "bird", "cat"))
        for n in range(count)
    }
    path = pictures.zipped(tmp_path / "cifar10-jpeg.zip", {"README.txt": b"", **files})
    monkeypatch.setattr(cifar10, "COPIES", known(path))
    return tmp_path


def test_the_jpeg_copies_are_read_with_their_labels_and_named_as_copies(copies: Path) -> None:
    found = data.resolve(DataConfig(name="cifar10", root=str(copies)), print, download=False)
    assert found.name == "cifar10_jpeg"
    loaded = data.load(found)
    assert loaded.title == "CIFAR-10 (JPEG copies)"
    assert loaded.train_images.shape == (18, 3, 32, 32)
    assert sorted(loaded.train_labels.tolist()) == sorted(6 * [0, 1, 2])
    for images, labels in (
        (loaded.train_images, loaded.train_labels),
        (loaded.test_images, loaded.test_labels),
    ):
        colours = images.float().mean((2, 3))
        expected = torch.tensor(pictures.COLOURS)[labels].float()
        assert (colours - expected).abs().max() < 30, "a label goes with its own picture"
    assert len(set(loaded.train_labels[:6].tolist())) > 1, "not class by class"
    exact = loaded.train_images.double().div(255)
    assert loaded.centre == pytest.approx(exact.mean((0, 2, 3)).tolist(), abs=1e-6)
    assert loaded.spread == pytest.approx(exact.std((0, 2, 3), correction=0).tolist(), abs=1e-6)


def test_damaged_copies_are_refused(copies: Path) -> None:
    path = copies / "cifar10-jpeg.zip"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="is damaged: it has SHA-256"):
        data.load(DataConfig(name="cifar10_jpeg", root=str(copies)))


def test_copies_that_are_not_there_are_named_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cifar10-jpeg.zip is not in .*; data=cifar10 is the original"):
        data.load(DataConfig(name="cifar10_jpeg", root=str(tmp_path)))


def test_without_network_and_files_cifar10_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "MIRRORS", ("http://localhost:1/",))
    with pytest.raises(DataError, match=r"CIFAR-10 is not in .* could not be downloaded.*; run `bnexp data cifar10`"):
        data.resolve(DataConfig(name="cifar10", root=str(tmp_path)), print)


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small `cifar-10-batches-py` in torchvision's format, and its checksums in torchvision's tables."""
    folder = tmp_path / "root" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    draw = np.random.RandomState(0)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for name in names:
        content = {"data": draw.randint(0, 256, (4, 3072), dtype=np.uint8), "labels": draw.randint(0, 10, 4).tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))  # the original is of Python 2
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)]}))
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(tv.CIFAR10, "train_list", [[name, md5[name]] for name in names[:5]])
    monkeypatch.setattr(tv.CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(tv.CIFAR10, "meta", {**tv.CIFAR10.meta, "md5": md5["batches.meta"]})
    return folder


def test_the_original_is_read_as_torchvision_reads_it(original: Path) -> None:
    root = str(original.parent)
    loaded = data.load(data.resolve(DataConfig(name="cifar10", root=root), print, download=False))
    assert (loaded.name, loaded.title, len(loaded.train_labels)) == ("cifar10", "CIFAR-10", 20)
    first = pickle.loads((original / "data_batch_1").read_bytes())
    assert torch.equal(loaded.train_images[:4].flatten(1), torch.from_numpy(first["data"]))
    assert set(loaded.sha256) == {path.name for path in original.iterdir()} - {"batches.meta"}
    assert data.status(root)["cifar10"][0].state == "whole"
    assert data.status(root)["cifar10"][0].check == "MD5"
    (original / "data_batch_2").write_bytes(b"damaged")
    assert data.status(root)["cifar10"][0].state == "damaged"
    with pytest.raises(DataError, match=r"data_batch_2 is damaged: it has not the MD5 sum .*; delete cifar-10-batches"):
        cifar10.read(root)


class Code:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def test_no_code_in_an_unpacked_folder_is_run(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (original / "test_batch").write_bytes(pickle.dumps(Code()))
    md5 = hashlib.md5((original / "test_batch").read_bytes()).hexdigest()
    monkeypatch.setattr(tv.CIFAR10, "test_list", [["test_batch", md5]])
    with pytest.raises(DataError, match=r"asks for .*\.system"):
        cifar10.read(str(original.parent))
    assert not (tmp_path / "ran").exists()


def test_the_originals_archive_is_read_as_it_is_and_a_damaged_one_refused(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "other"
    root.mkdir()
    with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(original, original.name)
    monkeypatch.setattr(cifar10, "ARCHIVE", known(root / "cifar-10-python.tar.gz"))
    config = data.resolve(DataConfig(name="cifar10", root=str(root)), print, download=False)
    from_folder, from_archive = cifar10.read(str(original.parent)), data.load(config)
    assert torch.equal(from_folder.train_images, from_archive.train_images)
    assert torch.equal(from_folder.test_labels, from_archive.test_labels)
    assert [path.name for path in root.iterdir()] == ["cifar-10-python.tar.gz"]
    assert (data.status(str(root))["cifar10"][0].state, data.status(str(root))["cifar10"][0].check) == (
        "whole",
        "SHA-256",
    )
    (root / "cifar-10-python.tar.gz").write_bytes(b"damaged")
    with pytest.raises(DataError, match="is damaged: it is 7 bytes long"):
        cifar10.read(str(root))


# The cache


def test_decoded_once_and_again_when_the_file_is_damaged(own_cache: Path) -> None:
    asked = []

    def make() -> dict[str, torch.Tensor]:
        asked.append(1)
        return {"x": torch.arange(5)}

    for _ in range(2):
        assert torch.equal(decoding.cached("d", "0123456789abcdef00", make)["x"], torch.arange(5))
    assert len(asked) == 1
    (file,) = own_cache.iterdir()
    file.write_bytes(file.read_bytes() + b"x")
    assert torch.equal(decoding.cached("d", "0123456789abcdef00", make)["x"], torch.arange(5))
    assert len(asked) == 2
    assert len(list(own_cache.iterdir())) == 1, "the damaged one is gone, no partial one is left"


def test_another_source_is_not_mixed_up() -> None:
    for n, source in ((1, "a" * 64), (2, "b" * 64)):
        assert decoding.cached("d", source, lambda n=n: {"x": torch.tensor(n)})["x"] == n  # type: ignore[misc]
    assert decoding.cached("d", "a" * 64, lambda: {"x": torch.tensor(9)})["x"] == 1


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BNEXP_CACHE", str(tmp_path / "file" / "below"))
    assert decoding.cached("d", "c" * 64, lambda: {"x": torch.tensor(3)})["x"] == 3


# Tiny ImageNet


def tiny(form: str, root: Path, classes: int) -> None:
    """A small Tiny ImageNet in one of the forms in which it is about."""
    original = "200" in form
    files = {}
    lines = []
    for label in range(classes):
        wnid = f"n{label:08d}"
        inner = "images/" if original else ""
        for n in range(2):
            files[f"train/{wnid}/{inner}{wnid}_{n}.JPEG"] = pictures.picture(label, n, grey=n == 1)
        lines.append(f"val_{label}.JPEG\t{wnid}\t0\t0\t1\t1")
        place = "val/images" if original else f"val/{wnid}"
        files[f"{place}/val_{label}.JPEG"] = pictures.picture(label, 9)
    if original:
        files["val/val_annotations.txt"] = "\n".join(lines).encode()
        files["test/images/test_0.JPEG"] = pictures.picture(0, 77)
    if form.endswith(".zip"):
        stem = form.removesuffix(".zip") + "/" if original else ""
        pictures.zipped(root / form, {stem + name: content for name, content in files.items()})
    else:
        pictures.folders(root / form, files)


@pytest.mark.parametrize("form", tiny_imagenet.FORMS)
def test_tiny_imagenet_in_every_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = 200 if "200" in form else 50
    tiny(form, tmp_path, classes)
    if form == "tiny-imagenet-50.zip":
        monkeypatch.setattr(tiny_imagenet, "SUBSET", known(tmp_path / form))
    config = data.resolve(DataConfig(name="tiny_imagenet", root=str(tmp_path)), print)
    loaded = data.load(config)
    assert (loaded.classes, loaded.title) == (50, "Tiny ImageNet, 50 classes")
    assert loaded.train_images.shape == (100, 3, 32, 32)
    assert sorted(loaded.test_labels.tolist()) == list(range(50))
    source = loaded.test_labels * (classes // 50) % 4
    colours = torch.tensor(pictures.COLOURS)[source].float()
    assert (loaded.test_images.float().mean((2, 3)) - colours).abs().max() < 30
    assert data.status(str(tmp_path))["tiny_imagenet"][0].state == ("whole" if form.endswith(".zip") else "there")


def test_what_is_there_need_not_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cifar10_jpeg is not to be downloaded from here"):
        data.fetch("cifar10_jpeg", str(tmp_path))
    file = tmp_path / cifar10.COPIES.name
    file.write_bytes(b"copies")
    monkeypatch.setattr(cifar10, "COPIES", known(file))
    assert data.fetch("cifar10_jpeg", str(tmp_path)) == []


def test_tiny_imagenet_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiny_imagenet is not in .*; put tiny-imagenet-200.zip"):
        data.resolve(DataConfig(name="tiny_imagenet", root=str(tmp_path)), print)
    with pytest.raises(DataError, match="not to be downloaded from here"):
        data.fetch("tiny_imagenet", str(tmp_path))


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    tiny("tiny-imagenet-50", tmp_path, 50)
    broken = tmp_path / "tiny-imagenet-50" / "train" / "n00000003" / "n00000003_1.JPEG"
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"train/n00000003/n00000003_1.JPEG is no picture that can be read"):
        data.load(DataConfig(name="tiny_imagenet", root=str(tmp_path)))


def flagged(content: bytes) -> bytes:
    """A zip whose first file says that it is encrypted."""
    spoilt = bytearray(content)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        spoilt[content.index(mark) + offset] |= 1
    return bytes(spoilt)


def strange(content: bytes) -> bytes:
    """A zip whose first file is packed in a way that nobody knows."""
    spoilt = bytearray(content)
    for mark, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        spoilt[content.index(mark) + offset] = 77
    return bytes(spoilt)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: content[:-60], "File is not a zip file"),
        (lambda content: content[:600] + b"xxxx" + content[604:], "Bad CRC-32"),
        (flagged, "is encrypted"),
        (strange, "compression method is not supported"),
        (lambda content: b"", "File is not a zip file"),
    ],
    ids=["cut", "damaged", "encrypted", "of unknown compression", "empty"],
)
def test_a_zip_that_cannot_be_read_is_named(spoil: Any, reason: str, tmp_path: Path) -> None:
    tiny("tiny-imagenet-200.zip", tmp_path, 200)
    path = tmp_path / "tiny-imagenet-200.zip"
    assert data.status(str(tmp_path))["tiny_imagenet"][0].state == "whole"
    path.write_bytes(spoil(path.read_bytes()))
    assert data.status(str(tmp_path))["tiny_imagenet"][0].state == "damaged"
    with pytest.raises(DataError, match=rf"{path} cannot be read: .*{reason}.*; fetch it again") as error:
        data.load(DataConfig(name="tiny_imagenet", root=str(tmp_path)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("lines", [b"val_0.JPEG\tn0\xff\n", b"val_0.JPEG n00000000\n"])
def test_annotations_that_are_none_are_named(lines: bytes, tmp_path: Path) -> None:
    tiny("tiny-imagenet-200", tmp_path, 200)
    (tmp_path / "tiny-imagenet-200" / "val" / "val_annotations.txt").write_bytes(lines)
    with pytest.raises(DataError, match=r"val_annotations.txt in .* is no list of PICTURE<tab>CLASS in UTF-8"):
        data.load(DataConfig(name="tiny_imagenet", root=str(tmp_path)))


def bomb() -> bytes:
    """A PNG that says it has 400 megapixels, in a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_too_large_to_be_decoded_is_named(tmp_path: Path) -> None:
    tiny("tiny-imagenet-50", tmp_path, 50)
    (tmp_path / "tiny-imagenet-50" / "train" / "n00000003" / "n00000003_1.JPEG").write_bytes(bomb())
    with pytest.raises(DataError, match=r"n00000003_1.JPEG has more than 89 megapixels; scale it down"):
        data.load(DataConfig(name="tiny_imagenet", root=str(tmp_path)))


# Folders


def test_folders_are_scaled_squared_and_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.imagenet(tmp_path)
    monkeypatch.setattr(folders, "IN_MEMORY", 0)
    loaded = folders.read(str(tmp_path), "imagenet", 64)
    assert isinstance(loaded.train_images, folders.FolderImages)
    assert loaded.train_images.shape == (48, 3, 64, 64)
    some = loaded.train_images.index_select(0, torch.tensor([0, 47]))
    expected = torch.tensor(pictures.COLOURS)[[0, 3]].float()
    assert (some.float().mean((2, 3)) - expected).abs().max() < 30
    assert loaded.classes == 4


def test_a_dataloader_feeds_what_direct_reading_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "IN_MEMORY", 0)
    pictures.imagenet(tmp_path)
    loaded = data.load(DataConfig(name="imagenet", folder="imagenet", root=str(tmp_path), validation=8))
    assert len(loaded.train_labels) == 40
    assert loaded.validation_labels is not None
    assert len(loaded.validation_labels) == 8
    loaded.train_images.index_select(0, torch.tensor([0]))  # pictures may have been read already, by threads
    fed = list(feed(loaded, BatchOrder(40, 6, [5]), 3, slice(2, 6)))
    order = BatchOrder(40, 6, [5])
    for images, labels in fed:
        indices = order.next()[:, 2:6]
        assert torch.equal(images[0], loaded.train_images.index_select(0, indices[0]))
        assert torch.equal(labels, loaded.train_labels[indices])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "imagenet" / "val").rename(root / "elsewhere"), "imagenet is not in"),
        (lambda root: (root / "imagenet/val/class3").rename(root / "imagenet/val/new"), "differ in the classes class3"),
        (lambda root: (root / "imagenet/train/empty").mkdir(), r"is not as it should be: .*empty"),
    ],
)  # fmt: skip
def test_folders_that_are_not_as_they_should_be(spoil: Any, message: str, tmp_path: Path) -> None:
    pictures.imagenet(tmp_path, train=1, val=1)
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        data.load(data.resolve(DataConfig(name="imagenet", folder="imagenet", root=str(tmp_path)), print))


# Validation images and order


def dataset(n: int = 40, side: int = 8) -> Dataset:
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(256, (n, 3, side, side), dtype=torch.uint8, generator=draw)
    return coloured("d", "d", images, torch.arange(n), images[:10], torch.arange(10), n, {})


def test_validation_images_are_always_the_same_and_not_trained_on() -> None:
    split, again = dataset().with_validation(15), dataset().with_validation(15)
    assert split.validation_labels is not None
    assert again.validation_labels is not None
    assert torch.equal(split.validation_labels, again.validation_labels)
    assert sorted([*split.train_labels.tolist(), *split.validation_labels.tolist()]) == list(range(40))
    assert torch.equal(split.train_images, dataset().train_images[split.train_labels])
    with pytest.raises(DataError, match="leaves none to train on"):
        dataset().with_validation(40)


def test_without_reshuffling_every_epoch_has_the_same_mini_batches() -> None:
    kept, fresh = (BatchOrder(20, 5, [0], reshuffle=again) for again in (False, True))
    epochs = [[order.next()[0].tolist() for _ in range(4)] for order in (kept, kept, fresh, fresh)]
    assert epochs[0] == epochs[1]
    assert epochs[2] != epochs[3]
    assert epochs[0] == epochs[2], "the first epoch is the same"


def test_skipping_is_as_taking() -> None:
    taken, skipped = BatchOrder(20, 5, [0, 3]), BatchOrder(20, 5, [0, 3])
    for _ in range(11):
        taken.next()
    skipped.skip(11)
    assert torch.equal(taken.next(), skipped.next())


# What a network sees


def seen(config: DataConfig, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return View(config, dataset()).training(images.unsqueeze(0), [stream(seed, "augmentation")])[0]


def test_images_as_they_are_without_any_change() -> None:
    mnist_like = replace(dataset(), centre=(), spread=())
    view = View(DataConfig(), mnist_like)
    assert torch.equal(view.test(mnist_like.test_images), mnist_like.test_images.float() / 255)
    assert torch.equal(view.training(mnist_like.test_images[None], [])[0], mnist_like.test_images.float() / 255)


def test_ten_views_of_images_that_are_no_squares() -> None:
    d = dataset()
    high = replace(d, train_images=d.train_images[..., :5], test_images=d.test_images[..., :5])
    views = View(DataConfig(), high).ten(high.test_images)
    whole = View(DataConfig(), high).test(high.test_images)
    assert len(views) == 10
    assert all(torch.equal(view, whole) for view in views[:5])
    assert all(torch.equal(view, whole.flip(-1)) for view in views[5:])


def test_the_middle_in_tests_and_every_place_in_training() -> None:
    d = dataset()
    config = DataConfig(crop=6, padding=1)
    whole = torch.nn.functional.pad(View(DataConfig(), d).test(d.test_images), (1, 1, 1, 1))
    assert torch.equal(View(config, d).test(d.test_images), whole[:, :, 2:8, 2:8])
    one = d.test_images[:1].expand(500, -1, -1, -1)
    crops = seen(config, one)
    places = {
        (t, left)
        for crop in crops
        for t in range(5)
        for left in range(5)
        if torch.equal(crop, whole[0, :, t : t + 6, left : left + 6])
    }
    assert places == {(t, left) for t in range(5) for left in range(5)}


def test_every_second_image_is_mirrored() -> None:
    d = dataset()
    plain = View(DataConfig(), d).test(d.test_images[:1])[0]
    out = seen(DataConfig(flip=True), d.test_images[:1].expand(400, -1, -1, -1))
    mirrored = sum(torch.equal(x, plain.flip(-1)) for x in out)
    assert sum(torch.equal(x, plain) for x in out) == 400 - mirrored
    assert 150 < mirrored < 250


def test_distortion_stays_within_its_bounds_and_0_is_none() -> None:
    d = replace(dataset(), centre=(), spread=())
    view = View(DataConfig(distortion=0.3), d)
    grey = torch.full((1, 300, 3, 8, 8), 100, dtype=torch.uint8)
    out = view.training(grey, [stream(0, "augmentation")])[0]
    brightness = out.mean((1, 2, 3)) * 255 / 100
    assert 0.7 <= brightness.min() < 0.75
    assert 1.25 < brightness.max() <= 1.3001
    coloured_ = torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 1, 3, 1, 1).expand(1, 300, 3, 8, 8)
    out = view.training(coloured_, [stream(0, "augmentation")])[0].mean((2, 3))
    saturation = (out[:, 0] - out[:, 2]) / out.mean(1)
    assert saturation.std() > 0.05
    assert 0 <= out.min() <= out.max() <= 1


def test_equal_seeds_see_equal_images_and_a_part_sees_what_the_whole_would() -> None:
    d = dataset()
    config = DataConfig(crop=6, flip=True, distortion=0.2)
    assert torch.equal(seen(config, d.train_images), seen(config, d.train_images))
    assert not torch.equal(seen(config, d.train_images), seen(config, d.train_images, seed=1))
    view = View(config, d)
    part = view.training(d.train_images[None, 10:30], [stream(0, "augmentation")], slice(10, 30), 40)
    assert torch.equal(part[0], seen(config, d.train_images)[10:30])


def test_ten_views_of_an_image() -> None:
    d = dataset()
    ten = View(DataConfig(crop=6), d).ten(d.test_images)
    whole = View(DataConfig(), d).test(d.test_images)
    assert len(ten) == 10
    assert torch.equal(ten[0], whole[..., :6, :6])
    assert torch.equal(ten[3], whole[..., 2:, 2:])
    assert torch.equal(ten[4], View(DataConfig(crop=6), d).test(d.test_images))
    assert torch.equal(ten[9], ten[4].flip(-1))


def test_a_crop_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.crop=11 is larger than images of 8×8 with data.padding=1"):
        View(DataConfig(crop=11, padding=1), dataset())
