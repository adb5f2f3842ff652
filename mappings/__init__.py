# SPDX-License-Identifier: EUPL-1.2
"""Mappings: folders of YAML, JSONata and examples, and the engine that checks, runs and tests them."""
