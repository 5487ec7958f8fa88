"""The one block of style of the pages: sober, light and dark, for wide and narrow screens."""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --card: #f6f7f9; --ink: #1c2026; --soft: #59626e; --line: #dde1e6;
  --baseline: #b4bdc9; --ours: #2b5cab; --oracle: #7d6410;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --card: #1c2026; --ink: #e4e7eb; --soft: #9aa4b1; --line: #323944;
    --baseline: #4c5766; --ours: #7fa8ee; --oracle: #d8b95a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .75rem; }
h2 { font-size: 1.3rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { margin: 0 0 .75rem; max-width: 46rem; }
a { color: var(--ours); }
section { margin-top: 2.5rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .875rem; }
footer, .soft, small { color: var(--soft); }
small { display: block; font-size: .8rem; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.figures { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
.figures th, .figures td { padding: .4rem 1rem .4rem 0; text-align: right; vertical-align: top; font-weight: normal; }
.figures th:first-child { text-align: left; }
.figures td:last-child, .figures thead th:last-child { padding-right: 0; }
.figures thead th { color: var(--soft); font-size: .875rem; vertical-align: bottom; line-height: 1.25; }
.figures tbody tr { border-top: 1px solid var(--line); }
.last-apart tbody tr:last-child { border-top: 3px double var(--line); }
@media (max-width: 40rem) {
  .figures thead { display: none; }
  .figures, .figures tbody { display: block; }
  .figures tr { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .3rem .5rem; padding: .5rem 0; }
  .brief tr { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .figures tbody th { grid-column: 1 / -1; padding: 0; font-weight: 600; }
  .figures tbody td { padding: 0; text-align: left; line-height: 1.3; }
  .figures td::before { content: attr(data-label); display: block; color: var(--soft); font-size: .8rem; }
  .figures tbody th small { display: inline; margin-left: .6rem; font-weight: normal; }
  .figures td small { font-size: .75rem; }
  .figures td:empty { display: none; }
}
.chart { display: block; margin: .5rem 0 1.25rem; overflow: visible; }
.chart text { fill: var(--ink); font-size: 14px; }
.chart text.ours { font-weight: 600; }
.chart .value { font-variant-numeric: tabular-nums; font-weight: normal; }
.chart rect.baseline { fill: var(--baseline); }
.chart rect.ours { fill: var(--ours); }
.chart rect.oracle { fill: none; stroke: var(--oracle); }
.chart text.oracle { fill: var(--oracle); }
.chart line.interval { stroke: var(--ink); stroke-width: 1.5; }
.chart line.oracle { stroke: var(--oracle); stroke-dasharray: 3 3; }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1rem; }
.card dl { font-size: .875rem; gap: 0 .75rem; }
.card ol { margin: .6rem 0 0; padding: .6rem 0 0 1.4rem; border-top: 1px solid var(--line); }
.card li { margin-bottom: .4rem; overflow-wrap: anywhere; line-height: 1.35; }
.card small { white-space: normal; }
"""
