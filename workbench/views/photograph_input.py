"""Choosing a photograph on a page: a button in the page's language, and a bound on its size.

A browser labels a file field in its own language, and a file larger than a message may be would
close the page's connection: it is kept in the browser, with a sentence.
"""

from __future__ import annotations

import panel as pn

from workbench.errors import N_
from workbench.views.text import Translate

MOST_BYTES = 20 << 20
"""What a photograph may have; a page's message holds it (`views.serve.MESSAGE_BYTES`)."""
TOO_LARGE = N_("This photograph is larger than 20 MB and was not sent. Make it smaller.")

_LOOK = """
:host {{ position: relative; height: 32px; border: 1px solid #b9c5d1; border-radius: 3px; background: #fff; }}
:host::before {{ content: "{text}"; position: absolute; inset: 0; display: grid; place-items: center;
  font: 600 12.5px var(--font); color: var(--accent); pointer-events: none; }}
:host(:hover) {{ background: var(--accent-soft); }}
:host(:focus-within) {{ outline: 2px solid #7db3ea; }}
input[type=file] {{ position: absolute; inset: 0; width: 100%; height: 100%; opacity: 0; cursor: pointer; }}
"""  # noqa: E501


def photograph_input(tr: Translate) -> pn.widgets.FileInput:
    """Return the field; its layout carries :func:`words` for what is too large."""
    text = tr("Add a photograph…")
    return pn.widgets.FileInput(
        accept=".jpg,.jpeg,.png", multiple=False, width=180, height=32,
        stylesheets=[_LOOK.format(text=text)],
    )  # fmt: skip


def words(tr: Translate) -> dict[str, str]:
    """Return what a page with such a field says in its headings: see ``too_large.html``."""
    return {"too_large": tr(TOO_LARGE), "most_bytes": str(MOST_BYTES)}
