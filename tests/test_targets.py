"""What is named as `module:name`: imported from the current folder, its mistakes in a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnexp import targets
from bnexp.config import ConfigError


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_of_the_current_folder_hides_no_other_module(tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("mean = None\n")
    (tmp_path / "of_mine.py").write_text("VALUE = 3\n")
    assert targets.load("norm.target", "of_mine:VALUE") == 3
    assert callable(targets.load("norm.target", "statistics:mean"))


def test_an_import_of_either_kind_is_followed_as_far_as_it_goes(tmp_path: Path) -> None:
    either = "try:\n    from .of_ours import K\nexcept ImportError:\n    from of_ours import K\n"
    (tmp_path / "either.py").write_text(f"{either}VALUE = K\n")
    sources = []
    for value in (1, 2):
        (tmp_path / "of_ours.py").write_text(f"K = {value}\n")
        sources.append(targets.source("norm.target", "either:VALUE"))
    assert sources[0] != sources[1], "it is part of it"


@pytest.mark.parametrize(
    ("target", "source", "message"),
    [
        ("norm", "", "norm.target=norm: it names nothing that can be imported; write it as package.module:name"),
        ("nowhere:Norm", "", "No module named 'nowhere'; it is looked for in "),
        ("own_1:Norm", "class Norn: ...\n", "module 'own_1' has no attribute 'Norm'"),
        ("own_2:Norm", "x = 1\nclass Norm\n", "own_2.py, line 2"),
        ("own_3:Norm", "import json\njson.loads('{')\n", "own_3.py, line 2"),
        ("own_4:Norm", "import sys\nsys.exit(0)\n", "SystemExit: 0 ("),
        ("own_5:Norm", "import nothing_there\n", "No module named 'nothing_there'"),
    ],
)
def test_what_cannot_be_had_is_one_line(tmp_path: Path, target: str, source: str, message: str) -> None:
    (tmp_path / f"{target.partition(':')[0]}.py").write_text(source) if source else None
    with pytest.raises(ConfigError) as caught:
        targets.load("norm.target", target)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
