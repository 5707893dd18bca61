"""Hydra executes this on every call: it stays tiny, the work is in `bnexp.command.compose` and `bnexp.app`.

No `from __future__ import annotations` here: Hydra's plugin scan breaks on dataclasses with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PopulationLauncher(Launcher):
    """Hands a whole multirun to bnexp, which trains runs of one shape together."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from bnexp.command import outcome
        from bnexp.launch.pool import warm_up

        if not (self.config.dry_run or outcome.partly):
            warm_up()
        from bnexp.app import train_jobs

        return train_jobs(self.hydra_context, self.task_function, self.config, job_overrides, initial_job_idx)


class PopulationSweeper(Sweeper):
    """Hydra's own sweeper with grids: every combination of values, in one batch, judged whatever launcher ran it."""

    def __init__(self, params: dict[str, str], grids: Sequence[dict[str, str]] | None) -> None:
        """Both are read from the config of each experiment instead."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.master = config
        if config.dry_run:  # not every launcher knows of it
            self.launcher: Launcher = PopulationLauncher()
            self.launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        else:
            self.launcher = Plugins.instance().instantiate_launcher(
                hydra_context=hydra_context, task_function=task_function, config=config
            )

    def sweep(self, arguments: list[str]) -> Any:
        from bnexp.command import compose, outcome
        from bnexp.report.conclude import check_writable

        jobs = compose.jobs(self.context.config_loader, self.master, arguments)
        if not isinstance(self.launcher, PopulationLauncher):
            from bnexp.app import prepare  # imports PyTorch

            # as a whole: each job of other launchers knows of itself alone
            prepare(compose.configs(self.context.config_loader, self.master, jobs))
            check_writable(self.master.outputs)  # others make a folder there first
        returns = self.launcher.launch(jobs, initial_job_idx=0)
        for returned in returns:
            _ = returned.return_value  # raises what a job has raised
        if not outcome.trained and not self.master.dry_run:  # by a launcher that has processes of its own
            from bnexp.app import settle

            jobs_done = [(returned.cfg, returned.overrides or []) for returned in returns if returned.cfg is not None]
            outcome.trained.extend(settle([compose.to_config(*job) for job in jobs_done]))
        return [returns]


@dataclass
class LauncherConf:
    _target_: str = "hydra_plugins.bnexp_population.population.PopulationLauncher"


@dataclass
class SweeperConf:
    _target_: str = "hydra_plugins.bnexp_population.population.PopulationSweeper"
    params: dict[str, str] = field(default_factory=dict)
    grids: list[dict[str, str]] | None = None  # of arms that are no product; `params` go for all


ConfigStore.instance().store(group="hydra/launcher", name="bnexp_population", node=LauncherConf, provider="bnexp")
ConfigStore.instance().store(group="hydra/sweeper", name="bnexp_population", node=SweeperConf, provider="bnexp")
