# SPDX-License-Identifier: EUPL-1.2
"""The regions as data: a folder of YAML each, and nothing else."""

from pathlib import Path

FOLDER = Path(__file__).parent
