"""Pages on paper: HTML that stands for itself, as PDF."""

from __future__ import annotations

from workbench.errors import N_, Unavailable


def pdf_of(html: str) -> bytes:
    """Return a page as PDF; nothing it names elsewhere is fetched.

    Raises
    ------
    Unavailable
        When the system lacks Pango.
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except OSError as error:
        raise Unavailable(
            N_("no PDF can be made ({reason})"),
            N_("install libpango-1.0-0 and libpangoft2-1.0-0; as HTML it can be had"),
            reason=str(error).splitlines()[0],
        ) from error
    # pictures stand in the page: whatever else it names, a file of this machine too, stays out
    within = URLFetcher(allowed_protocols=["data"], allow_redirects=False)
    return bytes(HTML(string=html, base_url=None, url_fetcher=within).write_pdf())
