"""The review page alone: python apps/review.py ROOT [PORT]."""

import sys
from pathlib import Path

from workbench.views.player import review_page
from workbench.views.serve import serve

if __name__ == "__main__":
    serve(Path(sys.argv[1]), port=int((sys.argv[2:] or ["0"])[0]), pages={"xem-lai": review_page})
