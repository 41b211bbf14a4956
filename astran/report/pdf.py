"""A page as PDF: by a browser that is installed anyway, else by WeasyPrint (`astran[pdf]`).

The browser comes first because the pages and mails are tested in it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from astran.base.errors import ProcessError, ToolMissing
from astran.base.process import run_command

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE_S = 120.0
_OPTIONS = ("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


def html_to_pdf(html: str) -> bytes:
    """A self-contained page, printed.

    Raises
    ------
    ToolMissing : there is neither a browser nor WeasyPrint
    ProcessError : the browser printed nothing
    """
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    return _by_browser(browser, html) if browser else _by_weasyprint(html)


def _by_browser(program: str, html: str) -> bytes:
    with TemporaryDirectory(prefix="astran-pdf-") as name:
        folder = Path(name)
        page, printed = folder / "page.html", folder / "page.pdf"
        page.write_text(html, encoding="utf-8")
        options = [*_OPTIONS, f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer"]
        if os.geteuid() == 0:  # the sandbox does not work for root
            options.append("--no-sandbox")
        run_command(
            [program, *options, f"--print-to-pdf={printed}", page.as_uri()], timeout=_PATIENCE_S
        )
        try:
            return printed.read_bytes()
        except FileNotFoundError:
            raise ProcessError(
                f"{program} printed nothing.", "Store the page with --html and print it yourself."
            ) from None


def _by_weasyprint(html: str) -> bytes:
    try:
        from weasyprint import HTML
    except (ImportError, OSError) as error:  # OSError: its libraries are not there
        raise ToolMissing(
            "Nothing here can make a PDF.",
            "Install Chromium, or `pip install 'astran[pdf]'` with the Pango library; "
            "or store the page with --html and print it from your browser.",
        ) from error
    printed = HTML(string=html).write_pdf()
    assert isinstance(printed, bytes)
    return printed
