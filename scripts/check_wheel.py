"""Build the wheel, look into it, install it into an environment of its own and run it from another folder.

The dependencies are those of the Python that runs this script; nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "hydra_plugins/bnexp_population"
TRAINING = ("run", "experiment=mnist_activations", "scale=smoke", "data=digits")
VERDICT = "results/smoke/digits/mnist_activations/verdict.json"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bnexp-wheel-") as folder:
        temporary = Path(folder).resolve()
        wheel = build(temporary / "dist")
        check_contents(wheel)
        environment = install(wheel, temporary / "venv")
        elsewhere = temporary / "elsewhere"
        elsewhere.mkdir()
        check_origin(environment, elsewhere)
        check_commands(environment, elsewhere)
        check_judge(environment, temporary / "judge")
    print(f"{wheel.name}: contents, installation, a training and a judgement are as they should be")


def run(command: list[str], cwd: Path) -> str:
    """The output of a command; ends the script with all that a failing command said."""
    # Of the caller's environment nothing may lead Python back to the source tree.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BNEXP", "HYDRA"))}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"check_wheel: {what}")


def build(folder: Path) -> Path:
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    sources = {p.relative_to(ROOT).as_posix() for name in ("bnexp", PLUGIN) for p in (ROOT / name).rglob("*.py")}
    configs = {f"bnexp/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "configs").rglob("*.yaml")}
    others = {"bnexp/claims/rules.json", "bnexp/report/page.html", "bnexp/report/reproducibility.md"}
    others |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "bnexp" / "references").rglob("*") if p.is_file()}
    metadata = {name for name in held if name.split("/")[0].endswith(".dist-info")}
    expect(bool(configs), "there are no configs")
    expect(not (missing := (sources | configs | others) - held), f"not in the wheel: {sorted(missing)}")
    expect(
        not (extra := held - sources - configs - others - metadata), f"does not belong in the wheel: {sorted(extra)}"
    )
    expect(any(name.endswith("/LICENSE") for name in metadata), "the licence is not in the wheel")


def install(wheel: Path, folder: Path) -> Path:
    """The `bin` of a new environment with the wheel in it, which sees this one's packages behind its own."""
    venv.create(folder)
    binaries = folder / "bin"
    python = str(binaries / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], folder)
    site = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    present = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    # Folders that a .pth file adds have their own .pth files passed over: an editable bnexp in them stays unseen.
    Path(site, "dependencies.pth").write_text("\n".join(present) + "\n", encoding="utf-8")
    return binaries


def check_origin(binaries: Path, elsewhere: Path) -> None:
    code = "import bnexp, hydra_plugins.bnexp_population as plugin; print(bnexp.__file__, plugin.__file__, sep='\\n')"
    for origin in run([str(binaries / "python"), "-c", code], elsewhere).splitlines():
        expect(Path(origin).is_relative_to(binaries.parent), f"{origin} was imported, not what the wheel installed")


def check_commands(binaries: Path, elsewhere: Path) -> None:
    def bnexp(*arguments: str) -> str:
        return run([str(binaries / "bnexp"), *arguments], elsewhere)

    expect("usage: bnexp" in bnexp("--help"), "bnexp --help says nothing of its usage")
    expect(f"-{bnexp('--version').strip()}.dist-info" in str(list(binaries.parent.rglob("bnexp-*"))), "wrong --version")
    expect("mnist_activations" in bnexp("list"), "bnexp list does not list mnist_activations")
    expect("depth:" in bnexp("run", "--cfg", "job"), "bnexp run --cfg job does not print the network")
    expect(not any(elsewhere.iterdir()), f"looking around left something behind: {list(elsewhere.iterdir())}")
    bnexp(*TRAINING)
    expect((elsewhere / VERDICT).is_file(), f"bnexp {' '.join(TRAINING)} wrote no {VERDICT}")
    verdict = json.loads((elsewhere / VERDICT).read_text(encoding="utf-8"))
    expect(bool(verdict["claims"]), f"{VERDICT} judges no claim")
    expect(verdict["stamp"]["git_commit"] is None, "the training ran in the source tree, not in the wheel")


def check_judge(binaries: Path, folder: Path) -> None:
    """A norm's contract, and whether the records that it is held against are found."""
    folder.mkdir()
    shutil.copy(ROOT / "examples" / "rms_norm.py", folder)
    judge = [str(binaries / "bnexp"), "judge", "rms_norm.py"]
    expect("keeps" in run([*judge, "--contract"], folder), "bnexp judge says nothing of the contract")
    dry = run([*judge, "--claims", "saturating", "data=digits", "dry_run=true"], folder)
    expect("no records" not in dry, "the records that a norm is held against are not found")


if __name__ == "__main__":
    main()
