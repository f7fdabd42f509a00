"""Tests of splicing."""
