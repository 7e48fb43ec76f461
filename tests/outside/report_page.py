"""Opens a report page as its readers do, and looks for what they would trip over.

    python tests/outside/report_page.py REPORT.html [--screenshots DIR] [--browser /usr/bin/chromium]

The page is opened in headless Chromium on a desk and on a phone, each in light and dark, with the network cut:

- it asks for nothing but itself, and says nothing on the console;
- every chart has a name, and marks with a size: as many on a phone as on a desk; none of them is lost in the ground;
- the chart and the colours shown are those of the width and the scheme;
- nothing sticks out to the side, so that a phone need not scroll there;
- links within the page lead somewhere, links to data lead to files;
- Tab reaches every link, fold and scroll box, the fold opens with the keyboard, and the focus can be seen;
- axe-core finds no violation of WCAG 2.2, levels A and AA.

Exits with 1 and says what is wrong if anything is.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

# Ways of looking at a page: a name, its width and height in CSS pixels, device pixels to one of them, the scheme.
VIEWS = [
    ("desk-light", 1280, 900, 1, "light"),
    ("desk-dark", 1280, 900, 1, "dark"),
    ("phone-light", 360, 800, 2, "light"),
    ("phone-dark", 360, 800, 2, "dark"),
]

# Contrast that WCAG 2 asks of graphics.
LEAST_CONTRAST = 3.0

WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}

# Every chart that can be seen, with its marks: bars carry their value, lines are paths without a fill.
CHARTS = """() => [...document.querySelectorAll('figure [role=img]')].map(chart => {
  const drawings = [...chart.querySelectorAll('svg')].filter(svg => svg.checkVisibility());
  const marks = drawings.flatMap(svg => [...svg.querySelectorAll('[data-value], path[fill=none]')]);
  let ground = chart;
  while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
  return {
    name: chart.getAttribute('aria-label') ?? '',
    section: chart.closest('section').querySelector('h2').textContent.trim(),
    drawings: drawings.length,
    width: drawings.length ? drawings[0].getBoundingClientRect().width : 0,
    viewWidth: drawings.length ? drawings[0].viewBox.baseVal.width : 0,
    ground: getComputedStyle(ground).backgroundColor,
    marks: marks.map(mark => {
      const box = mark.getBoundingClientRect(), style = getComputedStyle(mark);
      const line = mark.getAttribute('fill') === 'none';
      return { width: box.width, height: box.height, line, value: mark.dataset.value,
               colour: line ? style.stroke : style.fill };
    }),
    cut: drawings.flatMap(svg => {
      const frame = svg.getBoundingClientRect();
      return [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 2 || box.right > frame.right + 6;
      }).map(text => text.textContent.trim());
    }),
  };
})"""

# What is wider than the page, if anything is.
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll('body *')].filter(element => element.getBoundingClientRect().right > width + 1);
  return [`${document.documentElement.scrollWidth} of ${width}`, ...wide.slice(0, 5).map(element => element.outerHTML.slice(0, 120))];
}"""

REACHABLE = "a[href], summary, [tabindex='0']"

FOCUS = """() => {
  const element = document.activeElement;
  const all = [...document.querySelectorAll(%r)];
  const style = getComputedStyle(element);
  return { at: all.indexOf(element), seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
           what: element.outerHTML.slice(0, 120) };
}""" % REACHABLE


@dataclass
class Findings:
    """What is wrong, by view."""

    faults: list[str]
    view: str = ""

    def check(self, good: bool, fault: str) -> None:
        if not good:
            self.faults.append(f"{self.view}: {fault}")


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("report", type=Path)
    arguments.add_argument("--screenshots", type=Path, help="a folder for pictures of the page")
    arguments.add_argument("--browser", default="/usr/bin/chromium")
    options = arguments.parse_args()

    report: Path = options.report.resolve()
    if not report.is_file():
        print(f"there is no page at {report}", file=sys.stderr)
        return 1
    findings = Findings([])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=options.browser,
            # Chromium's sandbox does not start for root, as whom containers run; the page is our own.
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
        )
        marks: dict[str, list[int]] = {}
        for name, width, height, scale, scheme in VIEWS:
            findings.view = name
            marks[name] = look(browser, report, (width, height, scale, scheme), findings, options.screenshots)
        browser.close()
    findings.view = "all"
    findings.check(len({tuple(counts) for counts in marks.values()}) == 1, f"views differ in marks drawn: {marks}")
    for fault in findings.faults:
        print(f"FAULT  {fault}")
    if findings.faults:
        return 1
    charts = marks["desk-light"]
    print(f"{report.name}: {len(charts)} charts with {sum(charts)} marks, seen in {len(VIEWS)} ways; nothing to find fault with")
    return 0


def look(browser: Browser, report: Path, view: tuple[int, int, int, str], findings: Findings, pictures: Path | None) -> list[int]:
    """Looks at the page in one way; returns how many marks each chart has."""
    width, height, scale, scheme = view
    url = report.as_uri()
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        color_scheme=scheme,
        offline=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.on("console", lambda message: findings.check(False, f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: findings.check(False, f"error in the page: {error}"))
    page.on("request", lambda request: findings.check(asks_for_nothing(request.url, url), f"asks for {request.url}"))
    page.goto(url)

    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=pictures / f"{findings.view}.png", full_page=True)
    counts = look_at_charts(page, width, scheme, findings)
    findings.check(not (wide := page.evaluate(TOO_WIDE)), f"sticks out to the side: {wide}")
    follow_links(page, report, findings)
    walk_by_keyboard(page, findings)
    # Folds are open from here on, so axe sees what is in them.
    for violation in Axe().run(page, options=WCAG).response["violations"]:
        nodes = [node["html"][:120] for node in violation["nodes"][:3]]
        findings.check(False, f"axe: {violation['id']}: {violation['help']}: {nodes}")
    context.close()
    return counts


def asks_for_nothing(asked: str, own: str) -> bool:
    return asked == own or asked.startswith("data:")


def look_at_charts(page: Page, width: int, scheme: str, findings: Findings) -> list[int]:
    charts = page.evaluate(CHARTS)
    figures = page.locator("figure").count()
    findings.check(len(charts) == figures, f"{figures} figures, but {len(charts)} charts")
    answered = page.locator("section.question:has(figure)").count()
    findings.check(answered == figures, f"{answered} sections for {figures} figures")
    for chart in charts:
        where = chart["section"]
        findings.check(chart["drawings"] == 1, f"{where}: {chart['drawings']} drawings are shown")
        findings.check(len(chart["name"]) > 20, f"{where}: has no telling name: {chart['name']!r}")
        tall = [mark for mark in chart["marks"] if max(mark["width"], mark["height"]) > 20]
        findings.check(len(tall) > 0, f"{where}: nothing is drawn")
        narrow = chart["viewWidth"] < 400
        findings.check(narrow == (width < 640), f"{where}: the drawing is {chart['viewWidth']} wide")
        # Text is written at 12; smaller than 9 it is no longer read.
        findings.check(chart["width"] >= chart["viewWidth"] * 0.75, f"{where}: shrunk to {chart['width']}")
        findings.check(not chart["cut"], f"{where}: labels leave the drawing: {chart['cut']}")
        ground = luminance(chart["ground"])
        findings.check((ground < 0.5) == (scheme == "dark"), f"{where}: stands on {chart['ground']}")
        for mark in chart["marks"]:
            # A bar next to one a thousand times as long is thin, but there; a level line has no height.
            sized = mark["width"] > 0 and mark["height"] > 0
            level = mark["line"] and mark["width"] > 1
            findings.check(sized or level or float(mark["value"] or 0) == 0, f"{where}: a mark without size: {mark}")
            if mark["colour"] == "none":
                findings.check(False, f"{where}: a mark is not painted: {mark}")
                continue
            seen = contrast(luminance(mark["colour"]), ground)
            findings.check(seen >= LEAST_CONTRAST, f"{where}: {mark['colour']} on {chart['ground']} has contrast {seen:.2f}")
    return [len(chart["marks"]) for chart in charts]


def follow_links(page: Page, report: Path, findings: Findings) -> None:
    for href in page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))"):
        if href.startswith("#"):
            findings.check(page.locator(f"[id='{href[1:]}']").count() == 1, f"{href} leads nowhere")
            continue
        target = urlsplit(urljoin(report.as_uri(), href))
        findings.check(target.scheme == "file", f"{href} leads outside")
        findings.check(Path(unquote(target.path)).is_file(), f"{href} is no file")


def walk_by_keyboard(page: Page, findings: Findings) -> None:
    """Presses Tab until the end, opening folds on the way: everything that can be used must be met, and be seen."""
    reachable = page.locator(REACHABLE).count()
    met: set[int] = set()
    page.evaluate("() => document.activeElement.blur()")
    for _ in range(reachable + 5):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus["at"] < 0:
            break
        met.add(focus["at"])
        findings.check(focus["seen"], f"the focus cannot be seen on {focus['what']}")
        if focus["what"].startswith("<summary"):
            page.keyboard.press("Enter")
            opened = page.evaluate("() => document.activeElement.parentElement.open")
            findings.check(opened, f"does not open: {focus['what']}")
    missed = sorted(set(range(reachable)) - met)
    names = [page.locator(REACHABLE).nth(at).evaluate("element => element.outerHTML.slice(0, 120)") for at in missed[:5]]
    findings.check(not missed, f"Tab does not reach {len(missed)} of {reachable}: {names}")


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2) of a computed colour such as `rgb(11, 92, 173)`."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    if len(channels) < 3:
        raise ValueError(f"`{colour}` is no computed colour")
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


if __name__ == "__main__":
    sys.exit(main())
