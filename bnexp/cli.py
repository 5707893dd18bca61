"""The command `bnexp`: its sub-commands, and every error as one line."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from bnexp import config, interrupt, machine, paths

USAGE = """usage: bnexp COMMAND …

  run [KEY=VALUE …]          train, judge and draw: experiment=NAME, or one network, or a sweep (-m)
  list [models]              experiments and claims, with what the paper says and the newest verdict; or models
  report [EXPERIMENT …]      redraw results/ from the records, without training; or outputs/SWEEP
  data [NAME]                which data sets are here, where, whole or not; fetch what is missing of one
  diff A B                   settings and results of two runs or arms: EXPERIMENT:norm=batch, a folder, a run's id
  view [FOLDER]              TensorBoard on all runs, or on one sweep: outputs/SWEEP

  bnexp COMMAND --help says more. HYDRA_FULL_ERROR=1 shows tracebacks.
"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a sub-command and exit: 0 when done, 1 after a failure, 2 after a mistake in what was asked for."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    full = os.environ.get("HYDRA_FULL_ERROR", "") not in ("", "0")
    os.environ["BNEXP_COMMAND"] = shlex.join(["bnexp", *arguments])
    machine.wait_without_spinning()
    with interrupt.heeded():
        try:
            _dispatch(arguments)
            print(end="", flush=True)
        except KeyboardInterrupt:
            kept = "; what was finished is kept, the same command goes on with the rest"
            sys.exit(_say(interrupt.CODE, f"interrupted{kept if arguments[:1] == ['run'] else ''}"))
        except Exception as error:
            if full:
                traceback.print_exc()
            code, message = _explain(error)
            sys.exit(_say(code, message))
    sys.exit(0)


def _say(code: int, message: str) -> int:
    print(f"bnexp: {' '.join(message.split())}", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> None:
    commands = {"run": _run, "list": _list, "report": _report, "diff": _diff, "data": _data, "view": _view}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
    elif arguments[0] == "--version":
        print(metadata.version("bnexp"))
    elif arguments[0] in ("-sc", "--shell-completion"):
        _run(arguments)
    elif arguments[0] in commands:
        commands[arguments[0]](arguments[1:])
    else:
        raise config.ConfigError(f"there is no command {arguments[0]}{_did_you_mean(arguments[0], commands)}")


def _run(arguments: list[str]) -> None:
    import hydra
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="schema", node=config.schema(), provider="bnexp")
    sys.argv = ["bnexp", *arguments]
    failure.clear()
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # without it Hydra prints errors in its own way and exits
    try:
        hydra.main(version_base="1.3", config_path=str(paths.configs().resolve()), config_name="config")(task)()
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before
    if failure:
        raise failure[0]


failure: list[BaseException] = []
"""What the one job of `bnexp run` raised; Hydra would announce it with a line of its own."""


def task(composed: Any) -> Any:
    """Hydra's task, for one run; the launchers that come with Hydra call it for each job of a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from bnexp import app  # imports PyTorch: not before something is trained

    hydra = HydraConfig.get()
    overrides = list(hydra.overrides.task)
    if hydra.mode == RunMode.MULTIRUN:
        return app.train_here(app.to_config(composed, overrides))
    try:
        trained = app.train_all([app.to_config(composed, overrides)])
        app.conclude(trained, overrides)
    except BaseException as error:
        failure.append(error)
    return None


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"bnexp {command}", description=description)
    parser.add_argument("--results", default="results", type=Path, help="folder of the verdicts (default: results)")
    parser.add_argument("--config-dir", type=Path, help="folder of your own configs: experiment/NAME.yaml in it")
    return parser


def _list(arguments: list[str]) -> None:
    parser = _parser("list", "Experiments with their newest verdicts in numbers; or more of one; or claims, or models.")
    parser.add_argument("what", nargs="?", default="experiments", help="an experiment, claims, models, or experiments")
    options = parser.parse_args(arguments)
    from bnexp.report import listing
    from bnexp.report.experiments import known

    if options.what == "models":
        listing.print_models()
    elif options.what == "claims":
        listing.print_claims(options.results, options.config_dir)
    elif options.what == "experiments":
        listing.print_experiments(options.results, options.config_dir)
    else:
        _choose("experiment", options.what, known(options.results, options.config_dir), "claims", "models")
        listing.print_experiment(options.what, options.results, options.config_dir)


def _report(arguments: list[str]) -> None:
    parser = _parser("report", "Redraw the results from their records, without training.")
    parser.add_argument("experiment", nargs="*", help="or the folder of a sweep; by default all that have records")
    options = parser.parse_args(arguments)
    from bnexp.report.experiments import known
    from bnexp.report.redraw import holds_records, redraw, reports_near

    for name in options.experiment:
        if holds_records(name):
            continue
        if "/" in name or Path(name).exists():
            near = reports_near(Path(name))
            what = "there are no records of a sweep in" if Path(name).exists() else "there is no folder"
            raise config.ConfigError(f"{what} {name}{_did_you_mean(name, near) if near else ''}")
        _choose("experiment", name, known(options.results, options.config_dir))
    redraw(options.experiment, options.results, options.config_dir)


def _diff(arguments: list[str]) -> None:
    about = "Settings and results of two runs or arms beside each other."
    parser = argparse.ArgumentParser(prog="bnexp diff", description=about)
    which = "a run's folder or id; or EXPERIMENT or a folder of runs, with :setting=value,… where it has several arms"
    parser.add_argument("a", help=which)
    parser.add_argument("b", help="the same")
    parser.add_argument("--outputs", default="outputs", type=Path, help="folder of the runs (default: outputs)")
    parser.add_argument("--results", default="results", type=Path, help="folder of the verdicts (default: results)")
    options = parser.parse_args(arguments)
    from bnexp.report.diff import arm, print_diff

    print_diff(*(arm(name, options.outputs, options.results) for name in (options.a, options.b)))


def _choose(kind: str, name: str, among: Iterable[str], *others: str) -> None:
    """ConfigError for a name that is none of these."""
    names = [*among, *others]
    if name not in names:
        raise config.ConfigError(f"there is no {kind} {name}{_did_you_mean(name, names)}")


def _data(arguments: list[str]) -> None:
    root = config.data_root()
    parser = argparse.ArgumentParser(prog="bnexp data", description="Data sets: which are here, where, whole or not.")
    parser.add_argument("name", nargs="?", help="fetch what is missing of this one")
    parser.add_argument("--root", default=root, help=f"folder of the data sets (now {root}; see BNEXP_DATA)")
    options = parser.parse_args(arguments)
    from bnexp import data
    from bnexp.report import listing

    if options.name:
        if options.name not in config.DATASETS[1:]:
            known = config.DATASETS[1:]
            raise config.ConfigError(f"there is no data set {options.name}{_did_you_mean(options.name, known)}")
        data.fetch(options.name, options.root)
    listing.print_data(data.status(options.root), options.root)


def _view(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bnexp view", description="TensorBoard on the runs, for this machine alone.")
    parser.add_argument("folder", nargs="?", default="outputs", help="of runs or of a sweep (default: outputs)")
    parser.add_argument("--port", default="6006", help="(default: 6006, or the next free one)")
    options = parser.parse_args(arguments)
    if not Path(options.folder).is_dir():
        raise config.ConfigError(f"there are no runs in {options.folder}; train some, or name their folder")
    from tensorboard import program

    board = program.TensorBoard()
    port = [] if options.port == "6006" else ["--port", options.port]
    board.configure(argv=["bnexp", "--logdir", options.folder, "--host", "localhost", *port])
    print(f"TensorBoard on {options.folder}: {board.launch()} (Ctrl-C ends it)", flush=True)
    signal.pause()


def _explain(error: Exception) -> tuple[int, str]:
    """Exit code and message of an error."""
    text = str(error)
    if isinstance(error, config.ConfigError):
        return 2, text
    if type(error).__module__.startswith(("hydra.", "omegaconf.")):
        return 2, _explain_hydra(error)
    if type(error).__name__ in ("DataError", "LaunchError", "RecordsError", "ReportError"):
        return 1, text
    if isinstance(error, OSError):
        return 1, f"{error.strerror or text}: {error.filename or ''}"
    return 1, f"{type(error).__name__}: {text} (HYDRA_FULL_ERROR=1 shows the traceback)"


def _explain_hydra(error: BaseException) -> str:
    """Hydra's messages with what was meant, and without its advice, which does not fit here."""
    text = str(error)
    if text.startswith("Error merging override") and error.__cause__ is not None:
        return f"{text.splitlines()[0].removeprefix('Error merging override ')}: {error.__cause__}".splitlines()[0]
    if found := re.search(r"Could not find '(.+)/([^/']+)'", text):
        group, option = found.groups()
        options = re.findall(r"^\t(\S+)$", text, re.MULTILINE)
        return f"there is no {group}={option}{_did_you_mean(option, options)}"
    if override := getattr(error, "override", None):
        return f"{override}: {text.splitlines()[0]}"
    named = re.search(r"full_key: (\S+)", text) or re.search(r"Could not override '([^']+)'", text)
    if named is None:
        return text
    key = named.group(1)
    known = _keys(config.Config)
    return f"{key}: {text.splitlines()[0]}" if key in known else f"there is no setting {key}{_did_you_mean(key, known)}"


def _keys(schema: type, prefix: str = "") -> list[str]:
    """All settings by dotted name."""
    keys = []
    for field in dataclasses.fields(schema):
        keys.append(f"{prefix}{field.name}")
        inner = field.default_factory
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            keys += _keys(inner, f"{prefix}{field.name}.")
    return keys


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(sorted(known))}"
