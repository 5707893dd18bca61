"""What a user does, on the stand-in data."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command
from handmade import PLAIN, TUNING, Fields, is_bn, records, sweep
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import bnexp
from bnexp.report import page, tensorboard
from bnexp.runs.stamp import stamp

SMOKE = ("run", "experiment=mnist_activations", "scale=smoke", "data=digits")
SWEEP = ("run", "-m", "norm=none,batch", "lr=0.1,0.3", "data=digits", "steps=40", "evaluations=4")


@pytest.fixture(scope="module")
def _smoked(spawn: Callable[..., subprocess.Popen[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smoked")
    process = spawn(folder, *SMOKE)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    for part in ("UCI digits", "STAND-IN", "batch", "undecided", "results/smoke/digits/mnist_activations"):
        assert part in out
    return folder


@pytest.fixture
def smoked(_smoked: Path, command: Command, tmp_path: Path) -> Path:
    """A folder in which the main experiment has run at the smallest scale."""
    shutil.copytree(_smoked, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_an_experiment_leaves_verdict_table_records_and_figures(smoked: Path) -> None:
    folder = smoked / "results" / "smoke" / "digits" / "mnist_activations"
    verdict = json.loads((folder / "verdict.json").read_text())
    assert set(verdict) == {"experiment", "title", "scale", "dataset", "epochs", "model", "claims", "stamp"}
    assert verdict["dataset"]["name"] == "digits"
    assert all(len(digest) == 64 for digest in verdict["dataset"]["sha256"].values())
    assert len(verdict["claims"]) > 0
    assert all(claim.keys() > {"id", "claim", "verdict", "effect", "ci95", "values"} for claim in verdict["claims"])
    assert all("[stand-in]" in claim["claim"] and "stand-in" in claim["flags"] for claim in verdict["claims"])
    assert {"git_commit", "versions", "data_sha256", "command"} <= set(verdict["stamp"])
    assert list(pd.read_csv(folder / "table.csv")["norm"]) == ["none"] * 2 + ["batch"] * 4
    assert {path.name for path in (folder / "figures").iterdir()} >= {"figure_1a.png", "figure_1bc.png", "wander.png"}
    assert "STAND-IN" in (folder / "README.md").read_text()


def test_the_same_command_again_says_that_all_is_there(command: Command, smoked: Path) -> None:
    said = command(*SMOKE)
    assert said.code == 0
    assert "All runs are there already" in said.err


def test_report_redraws_from_the_records_alone(command: Command, smoked: Path) -> None:
    folder = smoked / "results" / "smoke" / "digits" / "mnist_activations"
    before = json.loads((folder / "verdict.json").read_text())
    (smoked / "outputs").rename(smoked / "elsewhere")
    (folder / "verdict.json").unlink()
    (folder / "figures" / "figure_1a.png").unlink()
    assert command("report", "mnist_activations").code == 0
    assert json.loads((folder / "verdict.json").read_text()) == before
    assert (folder / "figures" / "figure_1a.png").exists()
    assert not (smoked / "outputs").exists()
    assert not list(folder.rglob("*.pdf"))
    assert command("report", "figures=pdf", "mnist_activations").code == 0
    assert (folder / "figures" / "figure_1a.pdf").read_bytes().startswith(b"%PDF")


def test_records_under_results_do_not_count_as_runs(command: Command, smoked: Path) -> None:
    (smoked / "outputs").rename(smoked / "elsewhere")
    assert "to train" in command(*SMOKE, "dry_run=true").out


def test_list_has_two_lines_an_experiment_and_more_of_one(command: Command, smoked: Path) -> None:
    lines = command("list").out.splitlines()
    assert "digits, smoke" in lines[[line.partition(":")[0] for line in lines].index("mnist_activations") + 1]
    assert lines[[line.partition(":")[0] for line in lines].index("mnist_table") + 1].strip() == "not run yet"
    assert "the paper:" in command("list", "mnist_activations").out


def test_list_has_the_weightiest_verdicts_first_and_old_rules_last(command: Command, tmp_path: Path) -> None:
    def write(scale: str, started: str | list[str], **new: str) -> None:
        claim = {"id": "c", "claim": "So it is.", "verdict": "undecided", "measured": "1", "paper": "–", "source": "§1"}
        stamp = {"started": started}
        verdict = {"experiment": "mnist_table", "scale": scale, "dataset": {"name": "mnist"}, "stamp": stamp}
        folder = tmp_path / "results" / scale / "mnist_table"
        folder.mkdir(parents=True)
        text = json.dumps({**verdict, "claims": [{**claim, "section": "1", "n": 3, **new}]})
        (folder / "verdict.json").write_text(text)

    write("overnight", ["2026-01-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"], kind="difference")
    write("smoke", "2026-02-01T00:00:00+00:00", kind="difference")
    write("paper", "2026-09-01T00:00:00+00:00")
    write("laptop", "2026-10-01T00:00:00+00:00", kind="difference")
    first, *others = [line for line in command("list", "mnist_table").out.splitlines() if " on mnist, " in line]
    assert first.startswith("Verdicts on mnist, overnight: ")
    assert [line.partition(":")[0] for line in others] == [
        *(f"also on mnist, {scale}" for scale in ("laptop", "smoke", "paper, by old rules")),
    ]


def test_an_altered_experiment_leaves_the_results_alone(command: Command, tmp_path: Path) -> None:
    said = command(*SMOKE, "norm=batch", "seed=7,8", "steps=30")
    assert said.code == 0
    assert not (tmp_path / "results" / "smoke").exists()
    (verdict,) = (tmp_path / "outputs").rglob("verdict.json")
    assert {claim["verdict"] for claim in json.loads(verdict.read_text())["claims"]} == {"undecided"}


def test_dry_run_says_what_it_would_cost_and_trains_nothing(command: Command, tmp_path: Path) -> None:
    said = command(*SMOKE, "dry_run=true")
    assert said.code == 0
    assert "12 of 12 runs to train: about" in " ".join(said.out.split())
    assert "MB under outputs. Nothing was trained." in " ".join(said.out.split())
    assert not list(tmp_path.rglob("metrics.csv"))


def test_a_dry_run_of_many_lists_the_costliest_alone(command: Command) -> None:
    few = "hydra.sweeper.grids=[{seed:'range(80)',steps:'5'},{seed:'range(3)',steps:'50'}]"
    said = command("run", "-m", "data=digits", few, "evaluations=1", "dry_run=true").out
    assert "40 of 83 runs: first those to train, the costliest before the others." in said
    assert said.count("│ to train │") == 40
    assert said.count(" 50    │") == 3, "whatever their stacks cost"


def test_one_run_leaves_config_stamp_metrics_activations_events_and_summary(command: Command, tmp_path: Path) -> None:
    said = command("run", "norm=batch", "lr=1e-1", "data=digits", "steps=30", "evaluations=5")
    assert said.code == 0, said.err
    (folder,) = (path for path in (tmp_path / "outputs" / "runs").iterdir() if path.is_dir())
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["status"], summary["diverged_at"]) == ("ok", None)
    metrics = pd.read_csv(folder / "metrics.csv")
    assert metrics["step"].iloc[[0, -1]].tolist() == [0, 30]
    assert {"accuracy", "loss", "train_loss", "gradient_norm/linear1", "saturated/hidden3"} <= set(metrics.columns)
    with np.load(folder / "activations.npz") as stored:
        assert stored["hidden3"].shape == (len(metrics), 100, 5)
    assert json.loads((folder / "stamp.json").read_text())["command"].startswith("bnexp run norm=batch lr=1e-1")
    events = EventAccumulator(str(folder)).Reload()
    assert "accuracy" in events.Tags()["scalars"]
    assert "input_of_nonlinearity/hidden1" in events.Tags()["histograms"]


def test_a_sweep_in_tensorboard_has_means_bands_real_runs_figures_and_verdict(smoked: Path) -> None:
    (folder,) = (smoked / "outputs").glob("mnist_activations-*/tensorboard")
    (binary,) = folder.glob("batch_*binarize-True*population")
    arm = EventAccumulator(str(binary)).Reload()
    tags = set(arm.Tags()["scalars"])
    assert {"accuracy", "loss", "gradient_norm/linear1"} <= tags
    assert len([tag for tag in tags if tag.endswith(("/p15", "/p50", "/p85"))]) == 3
    (least, middle, most) = (
        [event.value for event in arm.Scalars(tag)]
        for what in ("least", "mean", "most")
        for tag in tags
        if tag.startswith("over_seeds/accuracy/") and tag.endswith(what)
    )
    assert all(low <= mean <= high for low, mean, high in zip(least, middle, most, strict=True))
    assert middle == pytest.approx([event.value for event in arm.Scalars("accuracy")])
    (run,) = folder.glob("runs/batch_*binarize-True*population*seed-0")
    assert "input_of_nonlinearity/hidden1" in EventAccumulator(str(run)).Reload().Tags()["histograms"]
    for place, count in ((folder, 6), (folder.parent, 12)):
        sessions = [EventAccumulator(str(each)).Reload() for each in (place / "hparams").iterdir()]
        assert len(sessions) == count, "of each arm, and of all runs"
        assert all("_hparams_/session_start_info" in session.summary_metadata for session in sessions)
        assert all({"final/accuracy", "final/diverged"} <= set(session.Tags()["scalars"]) for session in sessions)
    report = EventAccumulator(str(folder / "report")).Reload()
    assert "custom_scalars__config__" in report.summary_metadata
    assert "figure_1a" in report.Tags()["images"]
    assert "verdict/text_summary" in report.summary_metadata


def test_of_a_large_sweep_tensorboard_has_so_few_runs_that_it_shows_them(tmp_path: Path) -> None:
    def final(fields: Fields) -> float:
        return 0.9 + 0.05 * is_bn(fields) - abs(fields["lr"] - 0.5) / 10

    rates = tuple(i / 10 for i in range(1, 11))
    gathered = records(sweep(final, lr=rates, init_scale=(0.1, 0.2)))
    for run in gathered.runs:
        (tmp_path / "runs" / f"run-{run.id}").mkdir(parents=True)
        (tmp_path / "runs" / f"run-{run.id}" / "events.out.tfevents.1").touch()
    sweeps = tmp_path / "sweep"
    tensorboard.summarise(gathered, [], {}, sweeps)
    board = sweeps / "tensorboard"
    folders = [folder for place in (board, board / "runs", board / "hparams") for folder in place.iterdir()]
    events = [folder for folder in folders if list(folder.glob("events.*"))]
    assert len(events) == 12 * 3 + 1, "means, real runs and HParams, and the report"
    shown = {path.name for path in (sweeps / "tensorboard").iterdir()} - {"report", "hparams", "runs"}
    assert len(shown) == 12
    assert {name.partition("_")[0] for name in shown} == {"none", "batch"}
    assert {name.rpartition("lr-")[2] for name in shown} == {"0.4", "0.5", "0.6"}, "the best of either"
    assert len(list((sweeps / "hparams").iterdir())) == len(gathered.runs)


def test_tensorboard_shows_no_run_by_which_settings_were_chosen_but_among_all_hparams(tmp_path: Path) -> None:
    tried = sweep(lambda fields: 0.9, seeds=TUNING, lr=(0.1, 0.3), steps=(100,), init_scale=(0.1, 0.2))
    gathered = records([*sweep(lambda fields: 0.8, lr=(0.1, 0.3)), *tried])
    tensorboard.summarise(gathered, [], {}, tmp_path)
    shown = {path.name for path in (tmp_path / "tensorboard").iterdir()} - {"report", "hparams", "runs"}
    assert shown == {f"{norm}_lr-{lr}" for norm in ("none", "batch") for lr in (0.1, 0.3)}
    assert len(list((tmp_path / "hparams").iterdir())) == len(gathered.runs)


def test_a_run_that_diverged_leaves_the_means_of_the_others(tmp_path: Path) -> None:
    runs = sweep(lambda fields: math.nan if fields["seed"] == 0 else 0.9, (PLAIN,))
    tensorboard.summarise(records(runs), [], {}, tmp_path)
    arm = EventAccumulator(str(tmp_path / "tensorboard" / "none")).Reload()
    assert arm.Scalars("accuracy")[-1].value == pytest.approx(0.9, abs=0.001)


def test_arms_of_many_settings_have_names_that_a_file_can_have(tmp_path: Path) -> None:
    runs = sweep(lambda fields: 0.9, (PLAIN,), data_folder=("a" * 200, "b" * 200), model_target=("c" * 200, "d" * 200))
    tensorboard.summarise(records(runs), [], {}, tmp_path)
    assert len(list((tmp_path / "hparams").iterdir())) == len(runs)


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_other_launchers_give_the_same_results_to_float32_accuracy(
    command: Command, tmp_path: Path, launcher: str
) -> None:
    assert command(*SWEEP, "outputs=ours").code == 0
    assert command(*SWEEP, "outputs=theirs", f"hydra/launcher={launcher}").code == 0
    ours = sorted((tmp_path / "ours" / "runs").glob("*/metrics.csv"))
    assert len(ours) == 4
    for path in ours:
        theirs = pd.read_csv(tmp_path / "theirs" / "runs" / path.parent.name / "metrics.csv")
        pd.testing.assert_frame_equal(pd.read_csv(path), theirs, rtol=2e-3, atol=1e-4)


def test_a_sweep_of_ones_own_is_drawn_by_what_varies_also_without_training(command: Command, tmp_path: Path) -> None:
    sweep = ("run", "-m", "norm=none,batch", "lr=0.1,0.3", "init.scale=0.05,0.1", "seed=0,1", "data=digits", "steps=20")
    said = command(*sweep, "evaluations=3")
    assert said.code == 0, said.err
    (folder,) = (tmp_path / "outputs").glob("runs-*")
    assert f"bnexp view outputs/{folder.name}" in said.out
    drawn = sorted(path.name for path in (folder / "figures").iterdir())
    assert drawn == ["curves.png", "heat_map.png"]
    before = (folder / "table.csv").read_text()
    shutil.rmtree(folder / "figures")
    assert command("report", f"outputs/{folder.name}").code == 0
    assert sorted(path.name for path in (folder / "figures").iterdir()) == drawn
    assert (folder / "table.csv").read_text() == before
    assert "bnexp run -m norm=none,batch" in (folder / "README.md").read_text()
    assert not (tmp_path / "results").exists()


def test_grids_are_swept_one_after_the_other_and_an_axis_is_replaced_in_all(command: Command) -> None:
    placement = ("run", "experiment=placement", "scale=smoke", "data=digits", "data.validation=200", "dry_run=true")
    relu = (*placement, "model.activation=relu")
    assert "24 of 24 runs to train" in command(*relu).out
    assert "12 of 12 runs to train" in command(*relu, "norm.placement=after").out
    assert "6 of 6 runs to train" in command(*relu, "norm=none").out


def test_sizes_beyond_the_data_set_come_to_the_same_run_once(command: Command) -> None:
    said = command("run", "-m", "data.examples=500,5000,50000", "data=digits", "steps=5", "dry_run=true")
    assert "2 of 2 runs to train" in said.out


def test_hundreds_of_jobs_are_composed_one_by_one_in_no_time(tmp_path: Path) -> None:
    """Counted, not timed: only the choices of groups are composed by Hydra."""
    code = (
        "import sys\nfrom hydra._internal.config_loader_impl import ConfigLoaderImpl as Loader\n"
        "composed = []\nwhole = Loader.load_sweep_config\n"
        "Loader.load_sweep_config = lambda *a, **k: (composed.append(1), whole(*a, **k))[1]\n"
        "from bnexp.cli import main\n"
        "line = 'run experiment=lr_tolerance data=digits data.validation=200 dry_run=true steps=300'\n"
        "try:\n    main(line.split())\n"
        "except SystemExit as done:\n    assert not done.code\n"
        "print('composed', len(composed))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=240)
    assert b"336 of 336 runs to train" in done.stdout
    assert b"composed 2\n" in done.stdout


def test_a_run_is_the_same_wherever_it_comes_from(command: Command) -> None:
    assert command(*SWEEP).code == 0
    said = command("run", "norm=batch", "lr=0.3", "data=digits", "steps=40", "evaluations=4")
    assert "All runs are there already" in said.err


def test_a_norm_of_ones_own_trains_in_the_stack(command: Command, tmp_path: Path) -> None:
    (tmp_path / "my_norm.py").write_text(
        "import torch\nclass Mine(torch.nn.LayerNorm):\n    def __init__(self, n): super().__init__(n)\n"
    )
    said = command("run", "-m", "norm=module", "norm.target=my_norm:Mine", "seed=0,1", "data=digits", "steps=20")
    assert said.code == 0, said.err
    assert "my_norm:Mine" in said.out


def test_data_says_what_is_there(command: Command, tmp_path: Path) -> None:
    said = command("data", "--root", str(tmp_path))
    assert said.code == 0
    assert "missing" in said.out
    assert re.search(r"digits .* there .* nothing", said.out), "the stand-in, which nobody checks"
    (tmp_path / "tiny-imagenet-200.zip").write_bytes(b"PK\3\4, and no more")
    assert re.search(r"tiny-imagenet-200.zip .* damaged .* CRC-32", command("data", "--root", str(tmp_path)).out)


def test_without_network_and_files_the_stand_in_is_used_with_a_notice(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bnexp.data.mnist.mirrors", lambda: ["http://127.0.0.1:9/"])
    said = command("run", f"data.root={tmp_path / 'none'}", "steps=5", "evaluations=2")
    assert said.code == 0
    assert "THIS IS NOT MNIST" in said.err
    assert "STAND-IN" in said.out
    several = command("run", "-m", f"data.root={tmp_path / 'none'}", "data.binarize=true,false", "dry_run=true")
    assert several.code == 0
    assert (several.err.count("THIS IS NOT MNIST"), several.err.count("downloading")) == (1, 1)
    assert "2 of 2 runs" in several.out


def test_view_serves_tensorboard_on_this_machine_alone(
    command: Command, spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    command("run", "-m", "data=digits", "steps=3", "evaluations=2", "seed=0,1")
    process = spawn(tmp_path, "view", "--port", "0")
    try:
        assert process.stdout is not None
        line, more = process.stdout.readline(), process.stdout.readline()
        (sweep,) = (tmp_path / "outputs").glob("runs-*")
        assert line.startswith(f"TensorBoard on outputs/{sweep.name}: ")
        assert more == "The best of the newest sweep; all runs: bnexp view outputs\n"
        address = next(word for word in line.split() if word.startswith("http://localhost:"))
        deadline = time.monotonic() + 60
        while "batch" not in urllib.request.urlopen(f"{address}data/runs", timeout=30).read().decode():
            assert time.monotonic() < deadline
            time.sleep(0.3)
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--cfg", "job"], ["run", "--help"]])
def test_asking_for_help_does_not_import_pytorch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom bnexp.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as done:\n    assert not done.code\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=60)


def test_from_a_source_tree_that_is_not_installed_its_version_is_known(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`python -m bnexp` there: no metadata of a package of that name is at hand."""
    installed = metadata.distribution

    def distribution(name: str) -> metadata.Distribution:
        if name == "bnexp":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
    assert command("--version").out == f"{bnexp.__version__}\n"
    assert stamp("bnexp run", "cpu", 1, {})["bnexp"] == bnexp.__version__
    assert f"Made by bnexp {bnexp.__version__}" in page.page(tmp_path, [], {}, None, {})


def test_experiments_are_listed_without_pytorch(tmp_path: Path) -> None:
    """Its import takes seconds."""
    code = (
        "import sys\nfrom bnexp import cli\ntry:\n    cli.main(['list'])\n"
        "except SystemExit as end:\n    sys.exit(end.code or 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mnist_activations" in done.stdout


def test_a_training_does_not_import_torchvision(tmp_path: Path) -> None:
    """It brings PyTorch's compiler along: a second in the command, and another in the server of its workers."""
    code = "import sys\nfrom bnexp import app\nfrom bnexp.launch import worker\nsys.exit('torchvision' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=60)
