"""Asks a remote server: the Python client of the REST API.

>>> from monitor.client import Client
>>> with Client(url, key=key) as client:
...     report = client.analyze("talk.png")
...     report.source.name, len(report.tracks)
...     [analysis.state for analysis in client.analyses()]
('talk.png', 1)
['done']

:class:`AsyncClient` has the same methods, to be awaited. The values are those of :mod:`monitor.types`, and the answers
of :mod:`monitor.server.api`; the errors are RemoteError and its classes in :mod:`monitor.errors`. The package needs
neither torch nor PyAV.

client, async_client        the methods
calls           the requests as values;  reports  the report of an analysis
transport, async_transport  send requests and repeat them;  retries  when;  refusals  the errors
upload_source   a file to upload;  partial_file  a file to download;  event_parser  server-sent events
connection      address and key;  polling  waits for an analysis
"""

from monitor.client.async_client import AsyncClient
from monitor.client.client import Client
from monitor.client.event_parser import ServerEvent
from monitor.client.reports import RemoteReport
from monitor.client.retries import Retries
from monitor.server.api.analysis_answers import AnalysisAnswer, ResultFileAnswer
from monitor.server.api.answers import ModelAnswer, StreamAnswer, SystemAnswer, VerdictPointAnswer

__all__ = [
    "AnalysisAnswer",
    "AsyncClient",
    "Client",
    "ModelAnswer",
    "RemoteReport",
    "ResultFileAnswer",
    "Retries",
    "ServerEvent",
    "StreamAnswer",
    "SystemAnswer",
    "VerdictPointAnswer",
]
