"""Corrections of people: what they come to in one build, and how rows follow them."""
