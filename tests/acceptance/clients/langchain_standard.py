"""LangChain's own standard suite for chat models, run by its own pytest: `python langchain_standard.py`."""

import sys

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestStandard(ChatModelIntegrationTests):
    """What LangChain asks of every chat model that it lists."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict:
        return {"model": "gpt-4o"}

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return True


NEED_A_MIND = "test_tool_calling or unicode or image or usage_metadata_streaming"
"""What asks for a certain answer, or for a picture from the internet."""
SHARE_A_CLIENT = "async or astream or ainvoke or abatch"
"""What uses one asynchronous client in several event loops."""

if __name__ == "__main__":
    options = [
        "-k",
        f"not ({NEED_A_MIND} or {SHARE_A_CLIENT})",
        "-q",
        "-p",
        "no:cacheprovider",
        "--asyncio-mode=auto",
        "-c",
        "/dev/null",
        "--rootdir",
        "/",
    ]
    sys.exit(pytest.main([__file__, *options]))
