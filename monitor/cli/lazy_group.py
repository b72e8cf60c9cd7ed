"""A group of commands that imports a command only when somebody runs it: a list of commands needs their names alone."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from monitor.errors import UsageError


class LazyCommand(TyperCommand):
    """Stands in a list of commands for the command of a module, and imports that once it parses arguments."""

    def __init__(self, name: str, *, module: str, summary: str) -> None:
        super().__init__(name, callback=None, help=summary)
        self.module = module

    def load(self) -> Any:  # noqa: ANN401 - click's classes are private to typer
        """Import the command: a module's ``app``, or its function of the command's name."""
        module = import_module(self.module)
        if hasattr(module, "app"):
            return get_group(module.app)
        app = Typer(add_completion=False)
        app.command(self.name)(getattr(module, self.module.rpartition(".")[2]))
        return get_command(app)

    def make_context(self, *arguments: Any, **extra: Any) -> Any:  # noqa: ANN401
        return self.load().make_context(*arguments, **extra)


class LazyGroup(TyperGroup):
    """Lists the commands of ``package``, one module each, by their ``summaries``.

    With the option ``--server`` of the group, the commands are those of ``remote``: modules by name.

    >>> class Commands(LazyGroup):
    ...     package = "monitor.cli"
    ...     summaries = {"doctor": "Check versions."}  # the function doctor of monitor.cli.doctor
    >>> app = typer.Typer(cls=Commands)
    """

    package: ClassVar[str]
    summaries: ClassVar[Mapping[str, str]]
    remote: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(**attributes)
        for name, summary in self.summaries.items():
            module = f"{self.package}.{name.replace('-', '_')}"
            self.add_command(LazyCommand(name, module=module, summary=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """The command of the arguments, with its name and the remaining arguments.

        Raises:
            UsageError: a remote server does not have this command.
        """
        name, command, rest = super().resolve_command(ctx, args)
        if not ctx.params.get("server") or name is None:
            return name, command, rest
        if name not in self.remote:
            raise UsageError(
                f"`{name}` works on this machine only: leave --server out; a server has {', '.join(self.remote)}"
            )
        return name, LazyCommand(name, module=self.remote[name], summary=self.summaries[name]), rest
