"""``python -m monitor`` is ``deepfake-monitor``."""

from monitor.cli import main

if __name__ == "__main__":  # child processes import this file, too
    main()
