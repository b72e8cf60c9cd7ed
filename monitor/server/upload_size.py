"""The limit of the size of an uploaded or downloaded file."""

from monitor.errors import UsageError


def check_size(received: int, *, max_megabytes: int) -> None:
    """Checks the size of an upload.

    Raises:
        UsageError: the upload is larger than the limit.
    """
    if received > max_megabytes * 1_000_000:
        raise UsageError(
            f"the file is larger than {max_megabytes} MB: shorten it, or raise the setting "
            "dashboard.max_upload_megabytes"
        )
