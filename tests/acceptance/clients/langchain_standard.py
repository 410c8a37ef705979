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


if __name__ == "__main__":
    options = ["-q", "-p", "no:cacheprovider", "--asyncio-mode=auto", "-c", "/dev/null", "--rootdir", "/"]
    sys.exit(pytest.main([__file__, *options]))
