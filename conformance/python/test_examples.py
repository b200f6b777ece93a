"""The examples: offline as they are, and with a provider's model after a change of one line."""

import json
import shutil

import pytest
from noukai_server import ROOT, Server
from stub_http import Stub, serve
from tool_calls import WEATHER, sunny

EXAMPLES = ROOT / "examples"
MODEL = "openai/gpt-4o-mini"

OFFLINE = {
    "hello": "Greet the person who says: A, b.",
    "translate-and-extract": {
        "title": "Take the facts from this text:\n\nTranslate into English. Answer with the translation alone.\n\nA, b.",
        "people": [
            "Take the facts from this text:\n\nTranslate into English. Answer with the translation alone.\n\nA, b."
        ],
        "urgent": False,
    },
    "review-panel": (
        "Merge these reviews into one short list of changes.\n\n"
        "Clarity: What is hard to understand in this text? A, b.\n"
        "Accuracy: Which claims in this text need a source? A, b.\n"
        "Tone: How will this text sound to its readers? A, b."
    ),
    "digest-items": (
        "Write a digest of these 1 points:\n\n"
        "- Say in one sentence what matters about: List the separate topics of this text: A, b."
    ),
    "triage": "Draft a reply to this billing question: A, b.",
    "weather": "sunny",
    "order": {"receipt": "1 x Which items does this order list? A, b.: 0.50\nTotal: 0.50"},
}
CALLS = {
    "hello": 1,
    "translate-and-extract": 2,
    "review-panel": 4,
    "digest-items": 3,
    "triage": 2,
    "weather": 2,
    "order": 1,
}


def options(slug):
    return {"tools": [WEATHER], "tool_handler": sunny} if slug == "weather" else {}


def smallest(schema):
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: smallest(field) for name, field in schema["properties"].items()}
    if schema["type"] == "array":
        return [smallest(schema["items"])]
    return {"string": "text", "boolean": False, "integer": 1, "number": 0.5}[schema["type"]]


def answer(_method, _path, body):
    """A model that calls the first tool once, fits the schema it is given, and else says "text"."""
    message = {"role": "assistant", "content": "text"}
    if body.get("tools") and body["messages"][-1]["role"] == "user":
        call = {"id": "call-1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    elif "response_format" in body:
        message["content"] = json.dumps(smallest(body["response_format"]["json_schema"]["schema"]))
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return 200, {"model": body["model"], "choices": [{"index": 0, "message": message}], "usage": usage}


@pytest.fixture(scope="module")
def provider():
    with serve(Stub(answer)) as stub:
        yield stub


@pytest.fixture(scope="module", params=["offline", "provider"])
def server(request, servers, tmp_path_factory, provider):
    base = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, base / "flows")
    env = {}
    if request.param == "provider":
        env = {"NOUKAI_PROVIDER_BASE_URL": f"http://127.0.0.1:{provider.port}/v1", "NOUKAI_PROVIDER_API_KEY": "sk-x"}
        for document in (base / "flows").glob("*.flow.yaml"):
            change_one_line(document)
    server = Server(folder=base / "flows", data=base / "data", env=env)
    server.changed = request.param == "provider"
    return servers.use(server)


def change_one_line(document):
    lines = document.read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines) if "noukai/echo" in line.split("#")[0]]
    lines[number] = lines[number].replace("noukai/echo", MODEL)
    document.write_text("\n".join(lines) + "\n")


def test_each_example_is_tested(server):
    assert sorted(server.flows) == sorted(OFFLINE)
    readme = (EXAMPLES / "README.md").read_text()
    for slug in OFFLINE:
        assert f"\n## {slug}\n" in readme and f"$FLOWS/{slug}/" in readme


@pytest.mark.parametrize("slug", OFFLINE)
async def test_example(api, server, provider, slug):
    provider.requests.clear()
    result = await api.execute(slug, message="A, b.", **options(slug))
    assert result.status == "completed"
    if not server.changed:
        expected = OFFLINE[slug]
        assert result.result == ({"message": expected} if isinstance(expected, str) else expected)
        assert provider.requests == []
        return
    models = {body["model"] for _, _, body in provider.requests}
    assert len(models) == 1 and "gpt-4o-mini" in models.pop()
    assert len(provider.requests) == CALLS[slug]
    shaped = {
        "translate-and-extract": {"title": "text", "people": ["text"], "urgent": False},
        "order": {"receipt": "1 x text: 0.50\nTotal: 0.50"},
    }
    assert result.result == shaped.get(slug, {"message": "text"})
