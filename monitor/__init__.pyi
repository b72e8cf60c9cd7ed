from monitor.api import *  # noqa: F403 - all of the door, for type checkers

__version__: str
