"""Data sets from outside the package: presets of one's own, class folders, readers."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Command


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
