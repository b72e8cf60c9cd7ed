from monitor.inference.facenet import facenet_pytorch


def test_the_real_package_has_the_used_names() -> None:
    package = facenet_pytorch()
    for name in ("InceptionResnetV1", "MTCNN"):
        assert callable(getattr(package, name))
    for name in ("PNet", "RNet", "ONet"):
        assert callable(getattr(package.models.mtcnn, name))
