"""The one block of style of the pages: sober, light and dark, for wide and narrow screens."""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --card: #f6f7f9; --ink: #1c2026; --soft: #59626e; --line: #dde1e6;
  --baseline: #b4bdc9; --ours: #2b5cab; --oracle: #7d6410; --ceiling: #1c2026;
  --series-1: #b4632d; --series-2: #3f7f5f; --series-3: #8a5aa8; --series-4: #a83f54;
  --series-5: #8c7a1f; --series-6: #2f8a93; --series-7: #70757d; --series-8: #6b4f3a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --card: #1c2026; --ink: #e4e7eb; --soft: #9aa4b1; --line: #323944;
    --baseline: #4c5766; --ours: #7fa8ee; --oracle: #d8b95a; --ceiling: #e4e7eb;
    --series-1: #e0975f; --series-2: #7cc09a; --series-3: #c19be0; --series-4: #e58596;
    --series-5: #cdbb62; --series-6: #6fc5ce; --series-7: #a9afb8; --series-8: #c4a68d;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1, h2, h3, p, summary { overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .75rem; }
h2 { font-size: 1.3rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { margin: 0 0 .75rem; max-width: 46rem; }
a { color: var(--ours); }
section { margin-top: 2.5rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
h4 { font-size: .875rem; margin: 1.25rem 0 .5rem; }
.soft, small { color: var(--soft); }
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
.words th, .words td { text-align: left; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
.last-apart tbody tr:last-child { border-top: 3px double var(--line); }
@media (max-width: 40rem) {
  .figures thead { display: none; }
  .figures, .figures tbody { display: block; }
  .figures tr { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .3rem .5rem; padding: .5rem 0; }
  .twos tr, .brief tr, .words tr { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .figures tbody th { grid-column: 1 / -1; padding: 0; font-weight: 600; }
  .figures tbody td { padding: 0; text-align: left; line-height: 1.3; }
  .figures td::before { content: attr(data-label); display: block; color: var(--soft); font-size: .8rem; }
  .figures tbody th small { display: inline; margin-left: .6rem; font-weight: normal; }
  .figures td small { font-size: .75rem; }
  .figures td:empty { display: none; }
}
.chart { margin: .5rem 0 1.25rem; }
.chart .nsewdrag { cursor: default; }
.unscripted { display: none; }
@media (scripting: none) {
  .chart, .legend { display: none; }
  .unscripted { display: block; }
}
.narrow { max-width: 32rem; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1.25rem; list-style: none; margin: .5rem 0; padding: 0; }
.legend li { font-size: .875rem; }
.legend li::before {
  content: ""; display: inline-block; width: 1.25rem; margin-right: .4rem; vertical-align: .25em;
  border-top: 2px solid var(--look);
}
.legend .again::before { border-top-style: dotted; }
.legend .ceiling::before { border-top-style: dashed; }
.legend .dot::before { width: .6rem; height: .6rem; vertical-align: -.02em; border: 2px solid var(--look); }
.legend .ours.dot::before { border-radius: 50%; background: var(--look); }
.legend .baseline.dot::before { width: .5rem; height: .5rem; transform: rotate(45deg); }
.ours { --look: var(--ours); } .baseline { --look: var(--soft); } .ceiling { --look: var(--ceiling); }
.series-1 { --look: var(--series-1); } .series-2 { --look: var(--series-2); }
.series-3 { --look: var(--series-3); } .series-4 { --look: var(--series-4); }
.series-5 { --look: var(--series-5); } .series-6 { --look: var(--series-6); }
.series-7 { --look: var(--series-7); } .series-8 { --look: var(--series-8); }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1rem; }
.card dl { font-size: .875rem; gap: 0 .75rem; }
.card ol { margin: .6rem 0 0; padding: .6rem 0 0 1.4rem; border-top: 1px solid var(--line); }
.card li { margin-bottom: .4rem; overflow-wrap: anywhere; line-height: 1.35; }
.card small { white-space: normal; }
.card .target { font-weight: 600; }
.card .target small { color: var(--ours); font-weight: normal; }
"""
