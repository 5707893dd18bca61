"""Data sets from outside the package: presets of one's own, class folders, readers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from PIL import Image

from bnexp import data


def preset(folder: Path, group: str, name: str, text: str) -> str:
    """A file of one's own for `GROUP=NAME`; the flag with which it is found."""
    (folder / "conf" / group).mkdir(parents=True, exist_ok=True)
    (folder / "conf" / group / f"{name}.yaml").write_text(text, encoding="utf-8")
    return f"--config-dir={folder / 'conf'}"


def test_a_preset_without_root_is_looked_for_where_all_data_is(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = preset(tmp_path, "data", "mine", "name: tiny_imagenet\nexamples: 200\n")
    monkeypatch.setenv("BNEXP_DATA", str(tmp_path / "nowhere"))
    assert f"tiny_imagenet is not in {tmp_path / 'nowhere'}" in command("run", where, "data=mine").line
    monkeypatch.delenv("BNEXP_DATA")
    assert "tiny_imagenet is not in ./data" in command("run", where, "data=mine").line


EXPERIMENT = """# @package _global_
experiment: mine
title: "Mine"
claims: [accuracy]
steps: 3
evaluations: 1
batch: 8
model: {depth: 1, width: 4}
norm: {batches: 1}
hydra: {mode: MULTIRUN, sweeper: {params: {norm: "none,batch"}}}
"""

READER = """
import torch
from bnexp.data import Dataset

def parts(classes=3, n=24, side=8):
    labels = torch.arange(n) % classes
    images = (labels[:, None, None, None] * 80 + torch.arange(side * side).view(1, 1, side, side)).to(torch.uint8)
    return images, labels

def read(classes=3):
    return Dataset("mine", "mine", *parts(classes, 96), *parts(classes), classes=classes)

def nothing():
    read()

def table():
    return {"images": 1}

def broken():
    return parts(side="eight")

def leaves():
    raise SystemExit(0)

def beyond():
    images, labels = parts()
    return Dataset("mine", "mine", images, labels, images, labels + 1, classes=3)

def floats():
    images, labels = parts()
    return Dataset("mine", "mine", images / 255, labels, images, labels, classes=3)

def short():
    images, labels = parts()
    return Dataset("mine", "mine", images, labels[:-1], images, labels, classes=3)

def empty():
    images, labels = parts()
    return Dataset("mine", "mine", images, labels, images[:0], labels[:0], classes=3)

def differ():
    return Dataset("mine", "mine", *parts(), *parts(side=6), classes=3)

def alone():
    images, labels = parts()
    return Dataset("mine", "mine", images, labels, images, labels, classes=1)

text = "pictures"
"""

TINY = ("steps=3", "evaluations=1", "batch=8", "model.depth=1", "model.width=4", "norm.batches=1")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Path]:
    """`of_mine.py` in the current folder, unknown to tests that come later."""
    (tmp_path / "of_mine.py").write_text(READER, encoding="utf-8")
    yield tmp_path
    sys.modules.pop("of_mine", None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data.target=of_mine:nothing", "it returns a NoneType where a bnexp.data.Dataset is needed: is its `return`"),
        ("data.target=of_mine:table", "it returns a dict where a bnexp.data.Dataset is needed"),
        ("data.target=of_mine:broken", "TypeError: "),
        ("data.target=of_mine:leaves", "SystemExit: 0 ("),
        ("data.target=of_mine:beyond", "test_labels are from 1 to 3; with classes=3 they go from 0 to 2"),
        ("data.target=of_mine:floats", "train_images are float32 [24, 1, 8, 8]; uint8 [n, colours, height, width] is"),
        ("data.target=of_mine:short", "train_labels are int64 [23]; int64 [24] is needed, one for each image"),
        ("data.target=of_mine:empty", "it has no test images"),
        ("data.target=of_mine:differ", "training images are [1, 8, 8], test images [1, 6, 6]; all must have one shape"),
        ("data.target=of_mine:alone", "classes=1; at least 2 are needed"),
        ("data.target=of_mine:text", "data.target=of_mine:text is no class or function"),
        ("data.target=of_mine:reed", "module 'of_mine' has no attribute 'reed'"),
        ("data.target=nowhere:read", "No module named 'nowhere'"),
        ("data.target=of_mine", "it names nothing that can be imported; write it as package.module:name"),
        ("data.target=of_mine:read data.settings.clases=2", "cannot be called with clases=2: "),
        ("data.target=of_mine:read data.settings.classes=1", "classes=1; at least 2 are needed"),
        ("data.target=of_mine:read data=digits", "data=digits with data.target=of_mine:read: digits has files of its"),
        ("data.target=of_mine:read data.folder=x", "data.folder=x with data.target=of_mine:read: the data can be read"),
        ("data.target=of_mine:read data.source=0", "data.source=0: it is filled in from what is read"),
        ("data.settings.classes=2", "without data.target"),
    ],
)
def test_a_reader_that_does_not_do_is_named_in_a_line(command: Command, reader: Path, line: str, message: str) -> None:
    said = command("run", *TINY, *line.split())
    assert (said.code, said.out) == (2, "")
    assert message in said.line
    if "of_mine:broken" in line:
        assert f"{reader / 'of_mine.py'}, line " in said.line
    assert not (reader / "outputs").exists()


def test_the_classes_of_a_reader_are_the_networks_and_its_chance(command: Command, reader: Path) -> None:
    said = command("run", "data.target=of_mine:read", "data.settings.classes=4", *TINY, "norm=none", "lr=1e30")
    assert said.code == 0, said.err
    assert "25.00" in said.out, "a diverged network guesses one class of four"


# Class folders


def pictures(folder: Path) -> Path:
    """Class folders with a few pictures of three colours."""
    for part, n in (("train", 8), ("val", 4)):
        for name, colour in (("ants", (200, 30, 30)), ("bees", (30, 30, 200)), ("cats", (30, 200, 30))):
            (folder / part / name).mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (9, 6 + i), colour).save(folder / part / name / f"{i}.png")
    return folder


FOLDERS = ("data=folders", "data.folder=photos", "data.side=6", "data.root=.")


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of this test's alone, decoded by a process that knows nothing of earlier ones."""
    monkeypatch.setenv("BNEXP_CACHE", str(tmp_path / "cache"))
    data._read_once.cache_clear()


@pytest.mark.usefixtures("no_cache")
def test_pictures_in_class_folders_say_how_many_classes_there_are(command: Command, tmp_path: Path) -> None:
    pictures(tmp_path / "photos")
    said = command("run", *FOLDERS, *TINY, "norm=none", "lr=1e30")
    assert said.code == 0, said.err
    assert "pictures in photos/, 3 classes" in said.out
    assert "33.33" in said.out, "a diverged network guesses one class of three"
    (folder,) = tmp_path.glob("outputs/runs/photos-*")
    with np.load(folder / "activations.npz") as stored:
        assert stored["hidden1"].shape[1] == 4
    assert "All runs are there already" in command("run", *FOLDERS, *TINY, "norm=none", "lr=1e30").err
    data._read_once.cache_clear()
    Image.new("RGB", (6, 6), (1, 2, 3)).save(tmp_path / "photos" / "train" / "ants" / "0.png")
    assert "there already" not in command("run", *FOLDERS, *TINY, "norm=none", "lr=1e30", "dry_run=true").err


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "val"), "/val/CLASS/, the same classes in both"),
        (lambda folder: shutil.rmtree(folder), "there are no train/ and val/ in "),
        (lambda folder: shutil.rmtree(folder / "val" / "bees"), "differ in the classes bees; put pictures into"),
        (lambda folder: [path.unlink() for path in (folder / "val" / "bees").iterdir()], "bees"),
        (lambda folder: (folder / "train" / "cats" / "7.png").write_bytes(b"\x89PNG"), "train/cats/7.png"),
        (lambda folder: (folder / "val" / "ants" / "0.png").write_bytes(b""), "val/ants/0.png"),
    ],
    ids=["no val", "nothing", "a class less", "an empty class", "an unreadable picture", "an empty picture"],
)
def test_class_folders_that_do_not_do_are_named_with_the_way_out(
    command: Command, tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    change(pictures(tmp_path / "photos"))
    said = command("run", *FOLDERS, *TINY)
    assert (said.code, said.out) == (1, "")
    assert message in said.line
    assert not (tmp_path / "outputs").exists()


# An experiment on them


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize("choice", ["folders", "target", "preset"])
def test_an_experiment_on_data_of_ones_own_is_an_altered_one(command: Command, reader: Path, choice: str) -> None:
    pictures(reader / "photos")
    preset(reader, "experiment", "mine", EXPERIMENT)
    where = preset(reader, "data", "mydata", "name: mydata\nfolder: photos\nside: 6\n")
    lines = {
        "folders": ["data=folders", "data.root=photos"],
        "target": ["data.target=of_mine:read"],
        "preset": ["data=mydata", "data.root=."],
    }
    said = command("run", where, "experiment=mine", *lines[choice])
    assert said.code == 0, said.err
    assert not list((reader / "results").rglob("*.json"))
    assert len(list((reader / "outputs").glob("mine-*/verdict.json"))) == 1
    lines_of_list = command("list", where).out.splitlines()
    assert lines_of_list[lines_of_list.index("mine: Mine") + 1].strip() == "not run yet"


def test_an_experiment_whose_file_names_the_data_is_as_its_file_has_it(command: Command, reader: Path) -> None:
    where = preset(reader, "experiment", "mine", f"{EXPERIMENT}data: {{target: 'of_mine:read'}}\n")
    said = command("run", where, "experiment=mine")
    assert said.code == 0, said.err
    assert (reader / "results" / "laptop" / "mine" / "verdict.json").exists()
