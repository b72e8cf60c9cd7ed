"""``deepfake-monitor lab``: prepare data, look at it, train, evaluate and compare detectors."""
