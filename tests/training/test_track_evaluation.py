"""An evaluation in a real MLflow store."""

from __future__ import annotations

import json
from pathlib import Path

from training.evaluate import evaluate


def test_figures_file_page_and_data_set_are_logged(store, tracked_run: Path, tmp_path: Path):
    data, page = tracked_run.parent / "data", tmp_path / "page.html"
    before = {run.info.run_id for run in store.runs()}
    found = evaluate(str(tracked_run), data, "test", "1,10", "popularity", None, None, 0, html=page, quiet=True)
    (run,) = (run for run in store.runs() if run.info.run_id not in before)
    assert run.info.status == "FINISHED"
    assert run.data.tags["model_id"] == found["model"]["id"]
    assert run.data.tags["kind"] == "evaluation"
    assert run.data.tags["split"] == "test"
    for ranker in ("unicorn", "popularity"):
        node = found["rankers"][ranker]["tasks"]["search"]
        for metric in ("ndcg_at_10", "novelty_at_10", "coverage_at_1"):
            assert run.data.metrics[f"{ranker}/search/{metric}"] == node["metrics"][metric]["value"]
    ceiling = found["rankers"]["unicorn"]["tasks"]["search"]["ceiling"]["recall"]["value"]
    assert run.data.metrics["unicorn/search/ceiling"] == ceiling
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.digest == found["data"]["hash"][:32]
    assert {tag.value for tag in dataset.tags} == {"evaluation"}
    folder = Path(store.client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert json.loads((folder / "evaluation.json").read_text()) == found
    assert (folder / "page.html").read_bytes() == page.read_bytes()
