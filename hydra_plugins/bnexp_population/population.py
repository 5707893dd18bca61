"""Hydra executes this on every call: it stays tiny, the work is in `bnexp.app`.

No `from __future__ import annotations` here: Hydra's plugin scan breaks on dataclasses with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PopulationLauncher(Launcher):
    """Hands a whole multirun to bnexp, which trains runs of one shape together."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from bnexp.launch.pool import warm_up

        if not self.config.dry_run:
            warm_up()
        from bnexp.app import compose_jobs, train_all

        configs = compose_jobs(self.hydra_context.config_loader, self.config, job_overrides)
        returns = []
        for trained in train_all(configs):
            done = JobReturn(status=JobStatus.COMPLETED)
            done.return_value = trained
            returns.append(done)
        return returns


class PopulationSweeper(BasicSweeper):
    """Hydra's own sweeper, which then has the whole sweep judged and drawn, whatever launcher ran it."""

    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None = None,
        grids: Sequence[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.grids = grids or [{}]

    def split_arguments(  # type: ignore[override]  # Hydra's is static, and called on self
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Hydra's own, for each of the grids in turn; `overrides` come last, so they replace a grid's axis."""
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        jobs: list[list[str]] = []
        for grid in self.grids:
            own = parser.parse_overrides([f"{key}={value}" for key, value in grid.items()])
            ((*found,),) = BasicSweeper.split_arguments([*own, *overrides], None)
            jobs += [job for job in found if job not in jobs]
        return [jobs]

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Skipped: it would compose every job once more, at a tenth of a second each."""

    def sweep(self, arguments: list[str]) -> Any:
        from bnexp.app import check_folders, conclude

        assert self.config is not None
        if not self.config.dry_run:
            check_folders(self.config.outputs, None)  # Hydra makes its own folder in it first
        returns = super().sweep(arguments)
        conclude([job.return_value for batch in returns for job in batch], arguments)
        return returns


@dataclass
class LauncherConf:
    _target_: str = "hydra_plugins.bnexp_population.population.PopulationLauncher"


@dataclass
class SweeperConf:
    _target_: str = "hydra_plugins.bnexp_population.population.PopulationSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = None
    grids: list[dict[str, str]] | None = None  # of arms that are no product; `params` go for all


ConfigStore.instance().store(group="hydra/launcher", name="bnexp_population", node=LauncherConf, provider="bnexp")
ConfigStore.instance().store(group="hydra/sweeper", name="bnexp_population", node=SweeperConf, provider="bnexp")
