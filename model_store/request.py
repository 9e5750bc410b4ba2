"""Whose request is being worked on: set by whoever takes it in, sent along where a network runs elsewhere."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request in this thread or task; empty where there is none."""
