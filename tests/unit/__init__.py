"""Tests of what rules, folds and codecs do, without anything outside."""
