"""facenet-pytorch (InceptionResnetV1, MTCNN and its P-, R- and O-nets)."""

from types import ModuleType

from monitor.inference.foreign import foreign_package


def facenet_pytorch() -> ModuleType:
    """The ``facenet_pytorch`` package.

    Raises:
        ImportError: the package is not installed.
    """
    return foreign_package("facenet_pytorch")
