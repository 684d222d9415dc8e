"""Makes the pictures of the page in docs/pictures: `python -m tests.page_pictures`.

It needs playwright, a Chromium and ImageMagick. Look at the pictures after it.
"""

from __future__ import annotations

import json
import shutil
import subprocess

from playwright.sync_api import sync_playwright

from tests.conftest import ROOT
from tests.page_server import PAGE, serving

FOLDER = ROOT / "docs/pictures"
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


def main() -> None:
    note = json.loads((PAGE / "es.json").read_text(encoding="utf-8"))["note_example"]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    FOLDER.mkdir(exist_ok=True)
    with serving(8000) as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for device, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    locale="en-US",
                )
                page.set_default_timeout(120_000)  # the pipeline is loaded
                page.goto(url)
                page.wait_for_selector("body.ready")
                page.fill("#text", note)
                page.click("#annotate")
                page.hover("#marked mark >> text=neumonía")
                page.wait_for_timeout(500)  # the table scrolls to it
                path = FOLDER / f"page-{device}-{scheme}.png"
                page.screenshot(path=path)
                subprocess.run(
                    ["convert", path, "+dither", "-colors", "128", "-strip", path], check=True
                )
        browser.close()


if __name__ == "__main__":
    main()
