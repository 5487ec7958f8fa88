"""The service as its callers meet it, over a socket."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.http.limits import LIMITS
from serving.quality_weights import WEIGHTS
from tests.serving.http.conftest import served
from tests.serving.test_quality_weights import install, told
from tests.training.worlds import REQUESTS

TOP_K = 7


def rows(answer):
    """Return an answer of ``/rank`` as ``Ranker.rank`` has it."""
    return [
        (
            one["request_id"],
            one["task"],
            item["rank"],
            item["item_id"],
            pytest.approx(item["score"], rel=1e-5, abs=1e-5),
        )
        for one in answer["answers"]
        for item in one["items"]
    ]


def expected(ranker, requests_, top_k=TOP_K, exclude_seen=None):
    return ranker.rank(requests_, top_k, exclude_seen).rows()


def test_it_ranks_as_the_ranker_does(server, ranker):
    answer = server.post("/rank", {"requests": list(REQUESTS), "top_k": TOP_K})
    assert answer.status_code == 200
    assert answer.json()["model_id"] == ranker.model_id
    assert expected(ranker, REQUESTS) == rows(answer.json())


def test_it_leaves_out_what_was_seen_where_it_is_asked_to(server, ranker):
    for tasks in ([], list(ranker.tasks)):
        answer = server.post("/rank", {"requests": list(REQUESTS), "top_k": 60, "exclude_seen": tasks})
        assert expected(ranker, REQUESTS, 60, tasks) == rows(answer.json())


def test_it_scores_as_the_ranker_does(server, ranker):
    named = [{**request, "candidates": ["i3", "i1", "i3"]} for request in REQUESTS]
    answer = server.post("/score", {"requests": named}).json()
    found = [score for one in answer["answers"] for score in one["scores"]]
    assert found == pytest.approx(ranker.score(named)["score"].to_list(), rel=1e-5, abs=1e-5)
    ranked = server.post("/rank", {"requests": named, "top_k": 2}).json()
    assert expected(ranker, named, 2) == rows(ranked)


def test_a_lone_request_needs_a_task_and_no_more(server, ranker):
    answer = server.post("/rank", {"requests": [{"task": "recommendation"}]}).json()
    assert expected(ranker, [{"task": "recommendation"}], 20) == rows(answer)


def test_details_tell_what_a_person_sees(server, ranker):
    (answer,) = server.post("/rank", {"requests": [REQUESTS[1]], "top_k": 3, "details": True}).json()["answers"]
    known = {row["item_id"]: row for row in ranker.items.iter_rows(named=True)}
    quality = ranker.engine.features.statistics.quality
    for item in answer["items"]:
        assert {name: item["details"][name] for name in ("title", "category")} == {
            name: known[item["item_id"]][name] for name in ("title", "category")
        }
        assert item["details"]["quality"].keys() == set(quality.names)
        row = int(ranker.engine.features.catalogue.ids.rows(pl.Series([item["item_id"]]))[0])
        for place, name in enumerate(quality.names):
            told_ = item["details"]["quality"][name]
            assert (told_ is None) == bool(quality.missing[row, place])
            assert told_ is None or told_ == pytest.approx(quality.values[row, place], abs=1e-4)
    plain = server.post("/rank", {"requests": [REQUESTS[1]]}).json()["answers"][0]["items"]
    assert all(item["details"] is None for item in plain)


def test_many_callers_at_once_each_get_their_own_answer(server, ranker):
    """They are ranked together, with lists of other lengths and other things left out."""
    calls = [(REQUESTS[n % len(REQUESTS)], 1 + n % 9, [[], None][n % 5 == 0]) for n in range(120)]

    def ask(call):
        request, top_k, left_out = call
        body = {"requests": [request], "top_k": top_k} | ({} if left_out is None else {"exclude_seen": left_out})
        return server.post("/rank", body)

    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(ask, calls))
    for (request, top_k, left_out), answer in zip(calls, answers, strict=True):
        assert expected(ranker, [request], top_k, left_out) == rows(answer.json())
    batches = re.search(r"unicorn_batch_requests_count (\d+)", server.get("/metrics").text)
    asked = re.search(r"unicorn_batch_requests_sum (\d+)", server.get("/metrics").text)
    assert int(batches[1]) < int(asked[1])


WRONG = [
    ({"requests": [{"task": "video"}]}, 400, "unknown task 'video'"),
    ({"requests": [{"task": "search", "candidates": ["i1", "nowhere"]}]}, 400, "'nowhere'"),
    ({"requests": [{"task": "search"}], "exclude_seen": ["video"]}, 400, "video"),
    (
        {"requests": [{"task": "search", "request_id": "a"}, {"task": "search", "request_id": "a"}]},
        400,
        "more than once",
    ),
    ({"requests": [{"task": "search", "request_id": "a"}, {"task": "search"}]}, 400, "no request_id"),
    ({"requests": [{"task": "search", "user_id": 7}]}, 422, "user_id"),
    ({"requests": [{"task": "search", "qeury": "red"}]}, 422, "qeury"),
    ({"requests": [{"query": "red"}]}, 422, "task"),
    ({"requests": []}, 422, "requests"),
    ({"requests": [{"task": "search"}], "top_k": 0}, 422, "top_k"),
    ({"requests": [{"task": "search"}], "top_k": 10**9}, 422, "top_k"),
    ({"requests": [{"task": "search"}], "top_k": "many"}, 422, "top_k"),
    ({"requests": [{"task": "search"}] * (LIMITS.requests + 1)}, 422, "requests"),
    ({"requests": [{"task": "search", "query": "x" * (LIMITS.text + 1)}]}, 422, "query"),
    ([], 422, ""),
    (None, 422, ""),
]


@pytest.mark.parametrize(("body", "status", "reason"), WRONG)
def test_what_is_wrong_is_refused_with_a_reason(server, body, status, reason):
    answer = server.post("/rank", body)
    assert answer.status_code == status
    assert reason in json.dumps(answer.json()["detail"])


@pytest.mark.parametrize("path", ["/score", "/items"])
def test_a_body_for_another_route_is_refused(server, path):
    assert server.post(path, {"requests": [{"task": "search"}]}).status_code == 422


def test_what_is_no_json_is_refused(server):
    for data in (b"", b"{", b"\xff\xfe", b"[1,", b'{"requests": NaN}', b"null", b"\x00" * 100):
        answer = server.call("POST", "/rank", data=data, headers={"content-type": "application/json"})
        assert answer.status_code == 422, data


def test_a_body_that_is_too_large_is_refused(server):
    large = b" " * (LIMITS.body + 1)
    assert server.call("POST", "/rank", data=large).status_code == 413
    pieces = (large[start : start + 2**16] for start in range(0, len(large), 2**16))
    assert server.call("POST", "/rank", data=pieces).status_code == 413  # which does not say how long it is
    assert server.post("/rank", {"requests": [{"task": "search"}]}).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELD = st.sampled_from(["task", "request_id", "user_id", "query", "country", "source_item_id", "candidates"])
REQUEST = st.dictionaries(FIELD, JSON | st.sampled_from(["search", "similar", "i1", "u1"]), max_size=7)
BODY = JSON | st.fixed_dictionaries(
    {"requests": st.lists(REQUEST, max_size=3)},
    optional={"top_k": JSON | st.integers(1, 20), "exclude_seen": JSON, "details": JSON},
)
ANYTHING = JSON | st.sampled_from(["\ud800", 10**50, -(10**30), "x" * 3000, "2024-01-01", [1.0, 2.0], {"a": {"b": []}}])
NAMES = st.sampled_from(["title", "text", "category", "countries", "created_at", "price", "vector_image"]) | st.text(
    max_size=4
)
ITEM = st.dictionaries(NAMES, ANYTHING, max_size=4)
ITEMS = st.lists(ITEM, max_size=3).map(
    lambda rows: {"items": [{"item_id": f"fuzz{n}"} | row for n, row in enumerate(rows)]}
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["/rank", "/score"]), body=BODY)
def test_no_body_breaks_it(server, path, body):
    answer = server.call("POST", path, data=json.dumps(body).encode(), headers={"content-type": "application/json"})
    assert answer.status_code < 500, (path, body, answer.text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=ITEMS | JSON)
def test_no_item_breaks_it(changing, body):
    answer = changing.call(
        "POST", "/items", data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    assert answer.status_code < 500, (body, answer.text)
    if answer.status_code == 200:
        gone = changing.call("DELETE", "/items", params={"item_id": [item["item_id"] for item in body["items"]]})
        assert gone.status_code == 200


def test_after_all_that_it_still_answers(server, ranker):
    answer = server.post("/rank", {"requests": list(REQUESTS), "top_k": TOP_K})
    assert {item for _, _, _, item, _ in rows(answer.json())} <= set(ranker.items["item_id"]) | {"x"}


def test_every_call_has_an_id_and_a_line_in_the_log(server):
    mine = server.call("GET", "/model", headers={"x-request-id": "mine-7"})
    other = server.get("/model")
    assert mine.headers["x-request-id"] == "mine-7"
    assert re.fullmatch("[0-9a-f]{32}", other.headers["x-request-id"])
    odd = server.call("GET", "/model", headers={"x-request-id": "a\tb"})
    assert odd.headers["x-request-id"] != "a\tb"
    end = time.monotonic() + 10
    while time.monotonic() < end:
        said = [json.loads(line) for line in list(server.log) if '"mine-7"' in line]
        if said:
            break
        time.sleep(0.02)
    assert said[0].items() >= {"message": "call", "path": "/model", "status": 200, "method": "GET"}.items()
    assert said[0]["ms"] >= 0


def test_it_tells_what_it_serves(server, ranker):
    assert server.get("/healthz").text == "ok\n"
    assert server.get("/readyz").text == "ready\n"
    model = server.get("/model").json()
    assert model["model_id"] == ranker.model_id and model["tasks"] == list(ranker.tasks)
    assert model["items"] == ranker.items.height
    text = server.get("/metrics").text
    assert 'unicorn_http_calls_total{route="/healthz",status="200"}' in text
    assert f'unicorn_model{{model_id="{ranker.model_id}"}} 1.0' in text
    described = server.get("/openapi.json").json()
    assert {"/rank", "/score", "/items", "/model", "/healthz", "/readyz", "/metrics"} <= described["paths"].keys()
    assert "503" in described["paths"]["/rank"]["post"]["responses"]
    assert server.get("/nowhere").status_code == 404


@pytest.fixture(scope="module")
def changing(fitted):
    """A service whose catalogue may be changed."""
    with served(fitted, "--reload-seconds", "0") as found:
        yield found


def test_strangers_names_and_probes_without_a_body(server):
    assert server.call("GET", "/model", headers={"host": "[::1]"}).status_code == 200
    for host in ("evil.example", "evil.example:80", "", "localhost.evil.example"):
        answer = server.call("GET", "/model", headers={"host": host})
        assert answer.status_code in (400, 421), host
    assert server.call("GET", "/model", headers={"host": "localhost:1"}).status_code == 200
    for path in ("/healthz", "/readyz", "/"):
        assert server.call("HEAD", path).status_code == 200
    assert server.call("POST", "/rank/", json={}).status_code == 404  # and no redirect


@pytest.fixture
def own(fitted, tmp_path):
    """A copy of the run, for tests that change it."""
    return shutil.copytree(fitted, tmp_path / "run")


def test_items_come_and_go_and_stay_over_a_reload_under_load(own, ranker):
    """No call fails while another model takes over, and each is answered by one of the two."""
    body = {"requests": list(REQUESTS), "top_k": 60, "exclude_seen": []}

    def found(answer):
        return {item["item_id"] for one in answer["answers"] for item in one["items"]}

    with served(own, "--reload-seconds", "0.2") as server:
        added = server.post("/items", {"items": [{"item_id": "n1", "title": "red chair"}, {"item_id": "n2"}]})
        for name, day in (("n3", "2024-01-01T00:00:00"), ("n4", "2024-01-01T00:00:00Z")):
            assert server.post("/items", {"items": [{"item_id": name, "created_at": day}]}).status_code == 200
        assert server.call("DELETE", "/items", params={"item_id": ["n3", "n4", "n4"]}).status_code == 200
        assert added.json() == {"model_id": ranker.model_id, "items": ranker.items.height + 2}
        assert server.call("DELETE", "/items", params={"item_id": ["i3", "n2"]}).json()["items"] == ranker.items.height
        before = server.post("/rank", body).json()
        assert "n1" in found(before) and not {"i3", "n2"} & found(before)
        assert server.post("/items", {"items": [{"item_id": "i1"}]}).status_code == 400
        assert server.call("DELETE", "/items", params={"item_id": ["nowhere"]}).status_code == 400
        answers, done = [], threading.Event()

        def ask():
            while not done.is_set():
                answers.append(server.post("/rank", {"requests": [REQUESTS[1]]}))

        callers = [threading.Thread(target=ask) for _ in range(4)]
        for caller in callers:
            caller.start()
        install(own, {WEIGHTS: told(own)})
        end = time.monotonic() + 30
        while time.monotonic() < end and server.get("/model").json()["model_id"] == ranker.model_id:
            time.sleep(0.05)
        time.sleep(0.3)
        done.set()
        for caller in callers:
            caller.join()
        assert {answer.status_code for answer in answers} == {200}
        models = [answer.json()["model_id"] for answer in answers]
        assert set(models) == {ranker.model_id, server.get("/model").json()["model_id"]} and len(set(models)) == 2
        after = server.post("/rank", body).json()
        assert "n1" in found(after) and not {"i3", "n2"} & found(after)
        assert "unicorn_reloads_total 1.0" in server.get("/metrics").text
        manifest = (own / "manifest.json").read_text()
        for broken in ("{}", json.dumps({"format": 1, "files": {"model.json": {}}}), "{"):
            (own / "manifest.json").write_text(broken)  # a run that cannot be read leaves the model at work
            time.sleep(0.5)
            assert server.post("/rank", body).json() == after
        assert any("cannot be loaded" in line for line in server.log)
        (own / "manifest.json").write_text(manifest)
        install(own, {WEIGHTS: told(own, 0.25)})
        end = time.monotonic() + 30
        while time.monotonic() < end and server.get("/model").json()["model_id"] == after["model_id"]:
            time.sleep(0.05)
        assert server.get("/model").json()["model_id"] not in {ranker.model_id, after["model_id"]}
        assert "n1" in found(server.post("/rank", body).json())


def test_what_was_asked_is_answered_before_the_process_ends(own):
    with served(own, "--reload-seconds", "0") as server, ThreadPoolExecutor(8) as pool:
        body = {"requests": [{**REQUESTS[1], "request_id": str(n)} for n in range(200)], "top_k": 30}
        asked = [pool.submit(server.post, "/rank", body) for _ in range(5)]
        end = time.monotonic() + 30
        while time.monotonic() < end and "unicorn_batch_requests_count 0.0" in server.get("/metrics").text:
            time.sleep(0.01)
        server.process.terminate()
        answers = [one.result() for one in asked]
        assert [len(answer.json()["answers"]) for answer in answers] == [200] * 5
        assert server.process.wait(30) in (0, -15)


def test_with_a_token_strangers_are_turned_away(own):
    with served(own, "--reload-seconds", "0", token="secret") as server:
        body = {"requests": [{"task": "search"}]}
        assert server.post("/rank", body).status_code == 200
        for headers in ({}, {"authorization": "Bearer secre"}, {"authorization": "secret"}):
            for method, path in (("POST", "/rank"), ("GET", "/model"), ("GET", "/metrics"), ("DELETE", "/items")):
                answer = requests.request(method, server.url + path, json=body, headers=headers, timeout=30)
                assert answer.status_code == 401 and "Bearer" in answer.headers["www-authenticate"]
        assert requests.get(f"{server.url}/healthz", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--host", "0.0.0.0"], "host 0.0.0.0: whoever reaches it could ask"),
        ([], "no such run folder"),
        (["--port", "TAKEN"], "cannot be listened at"),
    ],
)
def test_what_cannot_be_served_is_one_line(fitted, tmp_path, options, reason):
    """A token of blanks is none."""
    run = fitted if options else tmp_path / "nothing"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given_ = [str(taken.getsockname()[1]) if one == "TAKEN" else one for one in options]
        command = [sys.executable, "-m", "unicorn", "serve", str(run), "--port", "0", *given_]
        environment = {**os.environ, "UNICORN_TOKEN": "  "}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 1
    assert reason in done.stderr and len(done.stderr.strip().splitlines()) == 1
