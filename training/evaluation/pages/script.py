"""What draws the charts of a page: plotly.js, once, and a few lines that give it the colours of the page."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Final

from plotly.offline import get_plotlyjs

from training.evaluation.pages.markup import Html, element, joined

_DRAW: Final = """
"use strict";
(() => {
  const root = getComputedStyle(document.documentElement);
  const resolved = value => /^--[a-z0-9-]+$/.test(value) ? root.getPropertyValue(value).trim() : value;
  const coloured = value => {
    if (Array.isArray(value)) return value.map(coloured);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(
      ([key, part]) => [key, key.endsWith("color") ? resolved(part) : coloured(part)]));
  };
  const config = {displayModeBar: false, doubleClick: false, responsive: true, scrollZoom: false, showTips: false};
  const charts = [...document.querySelectorAll(".chart")].map(chart =>
    [chart.querySelector(".plot"), JSON.parse(chart.querySelector("script").textContent)]);
  const draw = () => charts.forEach(([plot, spec]) => {
    const {data, layout} = coloured(spec);
    Plotly.react(plot, data, layout, config);
  });
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
"""


def scripts() -> Html:
    """Return the scripts, for the end of the body."""
    return joined(element("script", Html(text)) for text in _texts())


def policy() -> str:
    """Return the content security policy under which a browser runs ``scripts`` alone, and fetches nothing."""
    hashes = [b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in _texts()]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def _texts() -> tuple[str, str]:
    return get_plotlyjs(), _DRAW
