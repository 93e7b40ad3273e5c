"""Continuous batching: many requests and readings share each pass through the model."""

from farspan.engine.scheduler.loop import Loop
from farspan.engine.scheduler.request import Done, Limits, Overloaded, Request, Token
from farspan.engine.scheduler.scheduler import Scheduler

__all__ = ["Done", "Limits", "Loop", "Overloaded", "Request", "Scheduler", "Token"]
