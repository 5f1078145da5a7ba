"""The live wall alone: python apps/live.py ROOT [PORT]."""

import sys
from pathlib import Path

from workbench.views.serve import serve
from workbench.views.wall import live_page

if __name__ == "__main__":
    serve(Path(sys.argv[1]), port=int((sys.argv[2:] or ["0"])[0]), pages={"truc-tiep": live_page})
