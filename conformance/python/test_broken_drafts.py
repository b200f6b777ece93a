"""Drafts that cannot run are the 5xx that the server can be made to give at any time."""

import pytest
from noukai_sdk import FlowExecutionError
from noukai_server import BROKEN_FLOWS


@pytest.fixture(scope="module")
def server(servers, new_server):
    return servers.use(new_server("broken", flows=BROKEN_FLOWS))


@pytest.mark.parametrize(("slug", "code"), [("no-steps", "NO_STEPS"), ("misspelt", "INVALID_TREE")])
async def test_500(api, slug, code):
    for call in (api.execute(slug, message="hi"), api.events(slug, message="hi"), api.execute_async(slug, message="hi")):
        with pytest.raises(FlowExecutionError) as refused:
            await call
        assert (refused.value.status_code, refused.value.code) == (500, code)
        assert refused.value.request_id and refused.value.message
    assert len(api.requests) == 3  # the Python client sends a POST once
