"""The page of accident review alone: python apps/accident.py ROOT [PORT]."""

import sys
from pathlib import Path

from workbench.views.accident import accident_page
from workbench.views.serve import serve

if __name__ == "__main__":
    port = int((sys.argv[2:] or ["0"])[0])
    serve(Path(sys.argv[1]), port=port, pages={"tai-nan": accident_page})
