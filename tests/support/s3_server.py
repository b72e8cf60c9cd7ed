"""A real S3 endpoint of a test's own, over HTTP on loopback: moto's server, in memory."""

import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BUCKET = "flags"
KEYS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not/so+secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


def missing() -> str | None:
    """Why none can be started here, or None."""
    absent = [name for name in ("moto", "s3fs", "flask") if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} is missing (pip: moto[server] s3fs)" if absent else None


@contextmanager
def serve() -> Iterator[str]:
    """The address of a store with an empty bucket, until the block ends."""
    import boto3
    from moto.server import ThreadedMotoServer

    log = logging.getLogger("werkzeug")
    log.disabled = True
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region_name=KEYS["AWS_DEFAULT_REGION"],
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield address
    finally:
        server.stop()
        log.disabled = False


def main() -> None:
    """Serves until the standard input ends; prints the address."""
    with serve() as address:
        print(address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
