"""Answers other programs: the REST API, version 1, below ``/api/v1``.

mount            the app of the API, with its description and its errors
authentication   who asks, by API key, with which role and scope
problems         errors as problem details;  query_check  refuses unknown parameters
paging           cursors;  caching  ETags;  limits  requests per minute
docs_page        the documentation page
answers          the values that the API answers with;  v1/  one router per resource
"""

from typing import Final

API_PATH: Final = "/api/v1"
