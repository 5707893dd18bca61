"""What `bnexp run --help` prints: flags, what there is to choose, and the docstrings of the settings in `config.py`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
from collections.abc import Mapping

from omegaconf import MISSING
from rich.table import Table
from rich.text import Text

from bnexp import config, paths
from bnexp.console import out

USAGE = """usage: bnexp run [FLAG …] [KEY=VALUE …]

  bnexp run experiment=mnist_activations             an experiment: trained, judged and drawn
  bnexp run experiment=mnist_activations,optimizers  several, each for itself
  bnexp run experiment=mnist_activations seed=7      one with an axis replaced
  bnexp run norm=batch lr=0.5                        one network
  bnexp run -m norm=none,batch lr=0.1,0.5            a sweep: every combination"""

FLAGS = {
    "-m, --multirun": "sweep over lists, lr=0.1,0.5, and ranges, seed=range(5)",
    "--cfg job": "print the settings that this command has; trains nothing",
    "--config-dir DIR": "with configs of your own, such as DIR/experiment/NAME.yaml or DIR/data/NAME.yaml",
    "--info [WHAT]": "how Hydra composes the settings",
    "--hydra-help": "Hydra's own settings, and the rest of its flags",
}

GROUPS = {
    "": config.RunConfig,
    "data.": config.DataConfig,
    "model.": config.ModelConfig,
    "norm.": config.NormConfig,
    "init.": config.InitConfig,
    "optimizer.": config.OptimizerConfig,
    "base.": config.BaseConfig,
}


def print_run_help() -> None:
    """Usage, flags, choices, and every setting with its default and its meaning."""
    out.print(Text(USAGE), soft_wrap=True)
    _section("Flags", FLAGS)
    _section(
        "Choices, each of which sets a group of settings", {f"{k}=": ", ".join(v) for k, v in paths.choices().items()}
    )
    docs = docstrings()
    for prefix, schema in GROUPS.items():
        _section(" ".join((schema.__doc__ or "").split()), _settings(prefix, schema, docs))
    _section("The command", _settings("", config.Config, docs))
    out.print(
        "\nThe defaults are those before a choice has set them: --cfg job shows what a command has.", soft_wrap=True
    )


def docstrings() -> dict[tuple[str, str], str]:
    """What is written below each field of the dataclasses in `config.py`, by class and field."""
    written = {}
    for node in ast.parse(inspect.getsource(config)).body:
        if isinstance(node, ast.ClassDef):
            for field, below in itertools.pairwise(node.body):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    written[node.name, ast.unparse(field.target)] = " ".join(str(ast.literal_eval(below.value)).split())
    return written


def _settings(prefix: str, schema: type, docs: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """A line per setting that the class itself has: its key with the default, and its meaning."""
    lines = {}
    for field in dataclasses.fields(schema):
        if (schema.__name__, field.name) in docs:
            lines[f"{prefix}{field.name}={_default(field)}"] = docs[schema.__name__, field.name]
    return lines


def _default(field: dataclasses.Field[object]) -> str:
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(value if len(value) < 4 else [value[0], '…', value[-1]])}]"
    return "…" if value == MISSING else str(value)


def _section(title: str, rows: Mapping[str, str]) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, meaning in rows.items():
        table.add_row(Text(f"  {key}"), Text(meaning))
    out.print(f"\n[bold]{title}[/]")
    out.print(table)
