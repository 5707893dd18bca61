"""The command `bnexp`: its sub-commands, and every error as one line."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bnexp import config, interrupt, machine, paths
from bnexp.command import completion, manual, mistakes, outcome
from bnexp.command.mistakes import Parser
from bnexp.version import __version__

if TYPE_CHECKING:
    from bnexp.command.typed import Typed  # imports Hydra

USAGE = """usage: bnexp COMMAND …

  run [KEY=VALUE …]          train, judge and draw: experiment=NAME, or one network, or a sweep (-m)
  list [models]              experiments and claims, with what the paper says and the verdicts; or models
  report [EXPERIMENT …]      redraw results/ from the records, without training; or outputs/SWEEP
  judge NORM                 your own norm, my_norm.py:MyNorm, in BN's place: its contract, and claims put to it
  data [NAME]                which data sets are here, where, whole or not; fetch what is missing of one
  diff A B                   settings and results of two runs or arms: EXPERIMENT:norm=batch, a folder, a run's id
  clean                      what is unfinished, damaged or of an older engine, with its size; removed if you say yes
  view [FOLDER]              TensorBoard on the newest sweep, or on outputs/SWEEP; on all runs: outputs

  bnexp COMMAND --help says more. HYDRA_FULL_ERROR=1 shows tracebacks.
"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a sub-command and exit: 0 when done, 1 after a failure, 2 after a mistake in what was asked for."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    full = os.environ.get("HYDRA_FULL_ERROR", "") not in ("", "0")
    os.environ["PYTHONSAFEPATH"] = "1"  # so that no process begun here takes a user's statistics.py for Python's
    os.environ["BNEXP_COMMAND"] = shlex.join(["bnexp", *arguments])
    machine.wait_without_spinning()
    with interrupt.heeded() as came:
        try:
            _dispatch(arguments)
            print(end="", flush=True)
        except (KeyboardInterrupt, Exception) as error:
            if came or isinstance(error, KeyboardInterrupt):
                kept = "; what was finished is kept, the same command goes on with the rest"
                sys.exit(_say(interrupt.CODE, f"interrupted{kept if arguments[:1] == ['run'] else ''}"))
            if full:
                traceback.print_exc()
            code, message = mistakes.explain(error)
            sys.exit(_say(code, message))
    sys.exit(0)


def _say(code: int, message: str) -> int:
    print(f"bnexp: {mistakes.in_a_line(message)}", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
    elif arguments[0] == "--version":
        print(__version__)
    elif arguments[0] in ("-sc", "--shell-completion"):
        _complete(arguments[1:])
    elif arguments[0] in COMMANDS:
        COMMANDS[arguments[0]](arguments[1:])
    else:
        raise config.ConfigError(f"there is no command {arguments[0]}{_meant(arguments)}")


def _meant(arguments: Sequence[str]) -> str:
    """What may have been meant by a command that there is not: most often `run` was left out."""
    key = arguments[0].lstrip("-").partition("=")[0]
    if key in mistakes.settings() or key in paths.choices() or key in ("m", "multirun"):
        words = [word.lstrip("-") if "=" in word else word for word in arguments]
        return f"; did you mean bnexp run {shlex.join(words)}?"
    if key in paths.experiments():
        return f"; did you mean bnexp run experiment={key}?"
    return mistakes.did_you_mean(key, COMMANDS)


def _run(arguments: list[str]) -> None:
    from bnexp.command import typed  # imports Hydra

    line = typed.read(arguments)
    if line.help:
        manual.print_run_help()
        return
    outcome.clear()
    _train(line, lambda: _conclude(line))


def _train(line: Typed, conclude: Callable[[], None]) -> None:
    """Launch what was asked for, and conclude on what is there, also where some of it failed."""
    try:
        _through_hydra(line.flags, line.overrides)
        if outcome.failure:
            raise outcome.failure[0]
    except Exception:
        conclude()  # of several experiments some may be there in full
        raise
    conclude()


def _complete(arguments: list[str]) -> None:
    """Print what installs or removes shell completion, or to a shell that asks what may come next."""
    if not any(argument.startswith("query=") for argument in arguments):
        _through_hydra(["--shell-completion"], arguments)
        return
    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", 2**16))]
    offered = completion.words(line, COMMANDS)
    if offered is not None:
        print(" ".join(offered) if "query=bash" in arguments else "\n".join(offered))
        return
    os.environ["COMP_LINE"] = completion.for_hydra(line)
    with contextlib.suppress(Exception), contextlib.redirect_stderr(None):  # nobody wants errors while typing
        _through_hydra(["--shell-completion"], arguments)


def _through_hydra(flags: Sequence[str], overrides: Sequence[str]) -> None:
    """Have Hydra compose and launch what was asked for."""
    import hydra
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="schema", node=config.schema(), provider="bnexp")
    sys.argv = ["bnexp", *flags, "--", *overrides]
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # for callbacks of the user's; last, so that it hides nobody's module
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # without it Hydra prints errors in its own way and exits
    try:
        hydra.main(version_base="1.3", config_path=str(paths.configs().resolve()), config_name="config")(task)()
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


def _conclude(line: Typed) -> None:
    if outcome.trained:
        from bnexp import app

        app.conclude(outcome.trained, line)


def _report_partly(arguments: Sequence[str]) -> None:
    """The report of those runs of experiments that are finished, composed as `bnexp run` would compose them."""
    from bnexp.command import typed  # imports Hydra

    line = typed.read(arguments, report=True)
    outcome.clear(only_report=True)
    _through_hydra(line.flags, line.overrides)
    if outcome.failure:
        raise outcome.failure[0]
    _conclude(line)


def task(composed: Any) -> float | None:
    """Hydra's task, for one run; the launchers that come with Hydra call it for each job of a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from bnexp import app  # imports PyTorch: not before something is trained
    from bnexp.command import compose

    of_hydra = HydraConfig.get()
    overrides = list(of_hydra.overrides.task)
    if of_hydra.mode == RunMode.MULTIRUN:
        return app.train_here(compose.to_config(composed, overrides), of_hydra.runtime.choices)
    try:
        compose.check_name(composed, of_hydra.runtime.choices)
        (run,) = app.prepare([compose.to_config(composed, overrides)])
        return app.train_one(run)
    except BaseException as error:
        outcome.failure.append(error)
        return None


def _parser(command: str, description: str) -> Parser:
    parser = Parser(command, description)
    parser.add_argument("--results", default="results", type=Path, help="folder of the verdicts (default: results)")
    parser.add_argument("--config-dir", type=Path, help="folder of your own configs: experiment/NAME.yaml in it")
    return parser


def _list(arguments: list[str]) -> None:
    parser = _parser("list", "Experiments with their verdicts in numbers; or more of one; or claims, or models.")
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
    parser.add_argument(
        "experiment",
        nargs="*",
        help="or the folder of a sweep; by default all with records, but for verdicts by old rules",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="of what is finished: --partial EXPERIMENT [KEY=VALUE …], as run has them",
    )
    if "--partial" in arguments and not {"-h", "--help"} & set(arguments):
        _report_partly([word for word in arguments if word != "--partial"])
        return
    parser.add_argument("--figures", choices=config.FIGURES, default="png", help="pdf: for print, beside the others")
    options = parser.parse_args([f"--{word}" if word.startswith("figures=") else word for word in arguments])
    from bnexp.report.experiments import known
    from bnexp.report.redraw import holds_records, redraw, reports_near

    experiments = known(options.results, options.config_dir)
    for name in options.experiment:
        if holds_records(name) or name in experiments:
            continue
        if "/" in name or Path(name).exists():
            near = reports_near(Path(name))
            if not Path(name).exists():
                raise config.ConfigError(f"there is no folder {name}{mistakes.nearest(name, near)}")
            inside = mistakes.did_you_mean(name, near, f"those in it have some, as {near[-1]}") if near else ""
            raise config.ConfigError(f"there are no records of a sweep in {name}{inside}")
        _choose("experiment", name, experiments)
    redraw(options.experiment, options.results, options.config_dir, options.figures)


def _judge(arguments: list[str]) -> None:
    about = "A norm of your own in BN's place: the contract it keeps, and what becomes of the claims."
    parser = Parser("judge", about)
    words = (
        "my_norm.py, my_norm.py:Class or package.module:Class; then norm.settings.KEY=VALUE; scale=smoke or laptop "
        "(the default); references=package (records that come along, the default) or train; data=NAME; dry_run=true, "
        "which says what would be trained; and what else says where and how, as bnexp run has it"
    )
    parser.add_argument("words", nargs="+", metavar="NORM", help=words)
    parser.add_argument("--claims", help="experiments or subjects to judge it by, such as figure_1,batch_size; or all")
    parser.add_argument("--contract", action="store_true", help="the contract alone, in seconds")
    parser.add_argument("--json", action="store_true", help="with --contract: every check, as JSON")
    options = parser.parse_intermixed_args(arguments)
    if options.json and not options.contract:
        parser.error("--json goes with --contract; of the claims, verdict.json has everything")
    from bnexp.console import out
    from bnexp.judge import asked
    from bnexp.judge.candidate import as_typed
    from bnexp.launch.pool import LaunchError

    request = asked.read(options.words, options.claims)
    outcome.clear()
    contract = asked.contract(request.candidate, options.json)
    if options.contract:
        if contract.broken:
            raise config.ConfigError(asked.broken(request.candidate, contract))
        return
    request = asked.suited(request, contract)
    asked.begin(request)
    count = len(request.experiments)
    out.print(f"Composing the runs of {count} experiment{'s' if count > 1 else ''} at scale {request.scale} …")
    from bnexp.command import typed  # imports Hydra

    line = typed.read(["-m", *request.overrides])

    def conclude() -> None:
        if outcome.trained:
            from bnexp import app

            app.conclude_judge(outcome.trained, request, contract)

    try:
        _train(line, conclude)
    except LaunchError as error:
        raise LaunchError(f"{request.candidate.target} in BN's place: {as_typed(str(error))}") from error
    except config.ConfigError as error:
        raise config.ConfigError(as_typed(str(error))) from error


def _diff(arguments: list[str]) -> None:
    about = "Settings and results of two runs or arms beside each other."
    parser = Parser("diff", about)
    which = "a run's folder or id; or EXPERIMENT or a folder of runs, with :setting=value,… where it has several arms"
    parser.add_argument("a", help=which)
    parser.add_argument("b", help="the same")
    parser.add_argument("--outputs", default="outputs", type=Path, help="folder of the runs (default: outputs)")
    parser.add_argument("--results", default="results", type=Path, help="folder of the verdicts (default: results)")
    options = parser.parse_args(arguments)
    from bnexp.report.diff import arm, print_diff

    print_diff(*(arm(name, options.outputs, options.results) for name in (options.a, options.b)))


def _clean(arguments: list[str]) -> None:
    parser = Parser("clean", "Clear away unfinished and damaged runs, dead checkpoints, and runs of an older engine.")
    parser.add_argument("--runs", action="store_true", help="finished runs, too; their reports and records stay")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--outputs", default="outputs", type=Path, help="folder of the runs (default: outputs)")
    options = parser.parse_args(arguments)
    from bnexp.console import out
    from bnexp.runs.tidy import clutter

    items = clutter(options.outputs, options.runs)
    if not items:
        out.print(f"There is nothing to clear away in {options.outputs / 'runs'}.", soft_wrap=True)
        return
    for item in items:
        out.print(f"{item.size / 1e6:9,.1f} MB  {item.path.name}: {item.why}", soft_wrap=True, markup=False)
    total = sum(item.size for item in items) / 1e6
    if not options.yes:
        these = "this one" if len(items) == 1 else f"these {len(items)}"
        print(f"Remove {these} ({total:,.1f} MB)? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("\nNothing was removed.")
            return
    for item in items:
        item.remove()
    out.print(f"Removed {total:,.1f} MB.")


def _choose(kind: str, name: str, among: Iterable[str], *others: str) -> None:
    """ConfigError for a name that is none of these."""
    names = [*among, *others]
    if name not in names:
        raise config.ConfigError(f"there is no {kind} {name}{mistakes.did_you_mean(name, names, mistakes.ALL)}")


def _data(arguments: list[str]) -> None:
    root = config.data_root()
    parser = Parser("data", "Data sets: which are here, where, whole or not.")
    parser.add_argument("name", nargs="?", help="fetch what is missing of this one")
    parser.add_argument("--root", default=root, help=f"folder of the data sets (now {root}; see BNEXP_DATA)")
    options = parser.parse_args(arguments)
    from bnexp import data
    from bnexp.report import listing

    if options.name:
        if options.name not in config.DATASETS[1:]:
            known = config.DATASETS[1:]
            raise config.ConfigError(f"there is no data set {options.name}{mistakes.did_you_mean(options.name, known)}")
        data.fetch(options.name, options.root)
    listing.print_data(data.status(options.root), options.root)


def _view(arguments: list[str]) -> None:
    parser = Parser("view", "TensorBoard on the runs, for this machine alone.")
    parser.add_argument(
        "folder", nargs="?", help="of runs or of a sweep (default: the newest sweep of outputs, or all runs)"
    )
    parser.add_argument("--port", type=int, help="(default: 6006, or the next free one)")
    options = parser.parse_args(arguments)
    sweeps = sorted(Path("outputs").glob("*/tensorboard"), key=lambda path: path.stat().st_mtime)
    newest = str(sweeps[-1].parent) if sweeps else "outputs"
    shown = newest if options.folder is None else options.folder
    if not shown or not Path(shown).is_dir():
        raise config.ConfigError(f"there are no runs in {shown or repr('')}; train some, or name their folder")
    if options.port is not None and not 0 <= options.port < 2**16:
        raise config.ConfigError(f"--port {options.port}: ports go from 1 to {2**16 - 1}, and 0 takes a free one")
    of_sweep = Path(shown) / "tensorboard"
    folder = str(of_sweep if of_sweep.is_dir() else shown)
    try:
        from tensorboard import program

        board = program.TensorBoard()
        port = [] if options.port is None else ["--port", str(options.port)]
        board.configure(argv=["bnexp", "--logdir", folder, "--host", "localhost", *port])
        try:
            address = board.launch()
        except program.TensorBoardServerException as error:
            raise config.ConfigError(f"--port {options.port}: {str(error).splitlines()[0]}; choose another") from error
        print(f"TensorBoard on {shown}: {address} (Ctrl-C ends it)", flush=True)
        if options.folder is None and sweeps:
            print("The best of the newest sweep; all runs: bnexp view outputs", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print()


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    **{"run": _run, "list": _list, "report": _report, "judge": _judge, "diff": _diff},
    **{"data": _data, "clean": _clean, "view": _view},
}
